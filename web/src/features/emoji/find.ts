// Emoji by what they are called.
import { plain } from "../chats/order";
import type { Emoji } from "./data";

const FOUND_MAX = 120;

/** Those whose name begins with the words come first, then those that have each word somewhere. */
export function findEmoji(all: readonly Emoji[], typed: string): Emoji[] {
  const words = plain(typed).split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  const has = ({ name, tags }: Emoji) => words.every((word) => [...plain(name).split(/\s+/), ...tags.map(plain)].some((part) => part.startsWith(word)));
  const rank = ({ name }: Emoji) => (plain(name).startsWith(words.join(" ")) ? 0 : 1);
  return all.filter(has).sort((a, b) => rank(a) - rank(b)).slice(0, FOUND_MAX);
}

/** The recent ones with this one before them. */
export function remember(recent: readonly string[], emoji: string, countMax: number): string[] {
  return [emoji, ...recent.filter((one) => one !== emoji)].slice(0, countMax);
}
