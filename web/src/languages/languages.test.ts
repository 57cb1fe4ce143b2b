import { expect, test } from "vitest";
import { en, type Dictionary } from "./en";
import { chooseLanguage, direction, LANGUAGES, loadDictionary, type Language } from "./languages";

/** Every sentence of a dictionary by its path; functions are called with marks in place of what they are given. */
function sentences(words: unknown, path = ""): Map<string, string> {
  const all = new Map<string, string>();
  for (const [key, value] of Object.entries(words as Record<string, unknown>)) {
    const at = path ? `${path}.${key}` : key;
    if (typeof value === "string") all.set(at, value);
    else if (typeof value === "function") all.set(at, String((value as (...given: unknown[]) => string)(...Array.from({ length: value.length }, (_, i) => COUNTED.has(at) ? 37 + i : `⟨${i}⟩`))));
    else for (const [inner, sentence] of sentences(value, at)) all.set(inner, sentence);
  }
  return all;
}

/** Functions that are given a number. */
const COUNTED = new Set(
  ["app.people", "chats.archivedCount", "chats.typingMany", "chats.unreadCount", "group.count", "group.uses", "chat.unreadFrom", "chat.newBelow", "chat.hits", "chat.selected", "message.deleteTitle", "message.reactedWith", "content.votes", "compose.choice", "compose.sendCount"],
);
/** Left as they are on purpose: names, and words that the languages share. */
const SHARED_MAX = 40;

const english = sentences(en);
const others = Object.keys(LANGUAGES).filter((language) => language !== "en") as Language[];

test.each(others)("%s has every sentence, with what belongs in it", async (language) => {
  const words: Dictionary = await loadDictionary(language);
  const translated = sentences(words);
  expect([...translated.keys()]).toEqual([...english.keys()]);
  for (const [path, sentence] of translated) {
    // The group of emoji components is never shown, so it has no name.
    if (path !== "emoji.groups.2") expect(sentence.trim(), path).not.toBe("");
    const marks = (text: string) => (text.match(/⟨\d⟩/g) ?? []).sort();
    expect(marks(sentence), path).toEqual(marks(english.get(path)!));
  }
  const shared = [...translated].filter(([path, sentence]) => sentence === english.get(path) && /\p{L}{3}/u.test(sentence.replace(/⟨\d⟩/g, "")));
  expect(shared.length).toBeLessThan(SHARED_MAX);
});

test.each(others)("%s counts", async (language) => {
  const words = await loadDictionary(language);
  const shown = [0, 1, 2, 3, 11, 100].map((count) => words.group.count(count));
  expect(new Set(shown).size).toBeGreaterThanOrEqual(5);
  expect(words.group.count(11)).toMatch(/\p{Nd}/u);
});

test.each([[["de-AT", "en"], "de"], [["fr", "es-MX"], "es"], [["fr"], "en"], [[], "en"], [["AR"], "ar"]])("%s chooses %s", (wanted, language) => {
  expect(chooseLanguage(wanted)).toBe(language);
});

test("Arabic runs from right to left", () => {
  expect(direction("ar")).toBe("rtl");
  expect(direction("hi")).toBe("ltr");
});
