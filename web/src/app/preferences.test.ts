import { expect, test } from "vitest";
import { parsePreferences, STANDARD } from "./preferences.svelte";

test("nothing kept, or nonsense, is the standard", () => {
  for (const text of [null, "", "{", "[]", "7", "null", '"x"']) expect(parsePreferences(text)).toEqual(STANDARD);
});

test("each value counts where it is one of those that there are", () => {
  const kept = parsePreferences('{"theme":"dark","accent":"neon","language":"ar","recentEmoji":["😀",3]}');
  expect(kept).toEqual({ ...STANDARD, theme: "dark", language: "ar", recentEmoji: ["😀"] });
});
