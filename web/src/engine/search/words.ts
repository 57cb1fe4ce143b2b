// What is compared when words are looked for: letters and digits, without case and diacritics.

/** The words of a text, each behind a space: ` first second`. */
export function wordsOf(text: string): string {
  const plain = text.normalize("NFKD").replace(DIACRITICS, "").toLowerCase().replaceAll("ß", "ss").replaceAll("ς", "σ");
  const words = plain.normalize("NFC").match(WORD) ?? [];
  return words.map((word) => ` ${word}`).join("");
}

/** What is looked for in {@link wordsOf}: each of a question's words, the beginning of a word being
 *  enough. Chinese, Japanese, Thai and the like set no spaces between words: there any part will do. */
export function needlesOf(question: string): string[] {
  const words = wordsOf(question).split(" ").filter((word) => word !== "");
  const needles = words.map((word) => (SPACELESS.test(word) ? word : ` ${word}`));
  // The longest is the rarest, mostly.
  return [...new Set(needles)].sort((one, other) => other.length - one.length).slice(0, NEEDLES_MAX);
}

// Of Latin, Greek, Cyrillic, Hebrew and Arabic. The signs of Indic scripts are vowels, and stay.
const DIACRITICS = /[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u065f\u0670]/g;
const WORD = /[\p{L}\p{M}\p{N}]+/gu;
const SPACELESS = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const NEEDLES_MAX = 16;
