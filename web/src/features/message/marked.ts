// Where searched words stand in a text.
export function markWords(text: string, wanted: string): { text: string; marked: boolean }[] {
  const words = wanted.trim().split(/\s+/).filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (!words.length) return [{ text, marked: false }];
  // Splitting by a group puts what was found at the odd places.
  return text
    .split(new RegExp(`(${words.join("|")})`, "giu"))
    .map((part, i) => ({ text: part, marked: i % 2 === 1 }))
    .filter((part) => part.text);
}
