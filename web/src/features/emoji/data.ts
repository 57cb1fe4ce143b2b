// The emoji and their names, fetched when the picker is first opened. Names are there in four of the languages.
import type { Language } from "../../languages/languages";

export interface Emoji { emoji: string; name: string; tags: string[]; group: number }

interface Row { emoji: string; annotation: string; tags?: string[]; group: number; version: number }

/** Parts of emoji, such as tones of skin alone. */
const COMPONENTS = 2;
/** Newer ones are boxes on many people's screens. */
const VERSION_MAX = 15.1;

const loaded = new Map<string, Promise<Emoji[]>>();

export function loadEmoji(language: Language): Promise<Emoji[]> {
  let coming = loaded.get(language);
  if (!coming) {
    coming = load(language);
    loaded.set(language, coming);
    coming.catch(() => loaded.delete(language));
  }
  return coming;
}

async function load(language: Language): Promise<Emoji[]> {
  const { default: url } = await LOADERS[language]();
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`emoji: ${answer.status}`);
  const rows = (await answer.json()) as Row[];
  return rows.filter(({ group, version }) => group !== COMPONENTS && version <= VERSION_MAX).map(({ emoji, annotation, tags = [], group }) => ({ emoji, name: annotation, tags, group }));
}

const english = () => import("emoji-picker-element-data/en/cldr/data.json?url");
const LOADERS: Record<Language, () => Promise<{ default: string }>> = {
  en: english,
  de: () => import("emoji-picker-element-data/de/cldr/data.json?url"),
  es: () => import("emoji-picker-element-data/es/cldr/data.json?url"),
  hi: () => import("emoji-picker-element-data/hi/cldr/data.json?url"),
  ar: english,
};
