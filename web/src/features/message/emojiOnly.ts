// Messages of a few emoji alone are drawn large.

/** Sizes for one, two and three. */
const EMOJI_MAX = 3;
// \p{RGI_Emoji} needs the flag "v", which the compiler's target does not have as a literal.
const EMOJI = new RegExp("^\\p{RGI_Emoji}$", "v");
/** Of pictures, of flags, and of digits in boxes. */
const PART = /[\p{Extended_Pictographic}\p{Regional_Indicator}\u20e3]/u;

/** @returns how many emoji the text is, or 0 where it is more than that or anything else. */
export function emojiOnly(text: string): number {
  const trimmed = text.trim();
  // Asked of every message on screen: cutting a text into what people see as characters takes its time.
  if (trimmed.length > EMOJI_MAX * 28 || !PART.test(trimmed)) return 0;
  const parts = [...new Intl.Segmenter().segment(trimmed)].map(({ segment }) => segment).filter((segment) => segment !== " ");
  return parts.length <= EMOJI_MAX && parts.every((part) => EMOJI.test(part)) ? parts.length : 0;
}
