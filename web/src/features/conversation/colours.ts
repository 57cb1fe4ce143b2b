// The palettes for bubbles and wallpapers. A chat's choice is a name, or #rrggbb of the user's own.

/** Each for light and dark; the text on them keeps a contrast of 7:1. */
const BUBBLES: Record<string, string> = {
  tide: "light-dark(#cfe8e2, #123f3a)",
  heather: "light-dark(#e6daf3, #392a52)",
  dusk: "light-dark(#d6e4f7, #1d3556)",
  coral: "light-dark(#fadcd3, #54261b)",
  moss: "light-dark(#e2ebc6, #2f3b12)",
  amber: "light-dark(#fae3b5, #4a3509)",
  rose: "light-dark(#f8d9e5, #4f2236)",
  slate: "light-dark(#dfe3e4, #2b3437)",
  sand: "light-dark(#efe6d3, #39321f)",
};

export const BUBBLE_COLOURS = Object.keys(BUBBLES);
export const WALLPAPERS = ["plain", "shore", "reeds", "tracks", "sand", "lagoon", "heath", "evening", "meadow"];

/** @returns CSS colours for a bubble and what is written on it, or null for the standard. */
export function bubbleColours(choice: string | null): { ground: string; ink: string } | null {
  if (!choice) return null;
  const named = BUBBLES[choice];
  if (named) return { ground: named, ink: "var(--ink)" };
  return isHex(choice) ? { ground: choice, ink: inkOn(choice) } : null;
}

export function isHex(choice: string): boolean {
  return /^#[0-9a-f]{6}$/i.test(choice);
}

/** Black or white, whichever can be read on the colour (WCAG 2 relative luminance). */
export function inkOn(hex: string): "#000000" | "#ffffff" {
  const [r, g, b] = [1, 3, 5].map((at) => linear(parseInt(hex.slice(at, at + 2), 16) / 255)) as [number, number, number];
  // At this luminance both have the same contrast.
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000000" : "#ffffff";
}

function linear(part: number): number {
  return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
}
