// What stands in a picture's place: two letters, on a hue that is always the same for the same id.

export function initialsOf(name: string): string {
  const words = name.trim().split(/[\s_.-]+/u).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map((word) => firstLetter(word ?? ""));
  return letters.join("").toLocaleUpperCase() || "·";
}

/** Degrees, away from those that mean danger. */
export function hueOf(id: string): number {
  let sum = 7;
  for (const char of id) sum = (sum * 31 + char.codePointAt(0)!) % 9973;
  return HUES[sum % HUES.length]!;
}

const HUES = [45, 75, 110, 145, 175, 205, 240, 270, 300, 330];

function firstLetter(word: string): string {
  return word.match(/[\p{L}\p{N}]/u)?.[0] ?? "";
}
