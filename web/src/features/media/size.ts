// How large a picture is drawn in a bubble: its own shape within bounds.

const WIDTH_MAX = 320;
const HEIGHT_MAX = 380;
const SIDE_MIN = 110;

/** CSS pixels. A shape that is too slender is cut at its edges. */
export function drawnSize(width: number, height: number): { width: number; height: number } {
  if (!(width > 0 && height > 0)) return { width: WIDTH_MAX, height: WIDTH_MAX * 0.75 };
  const scale = Math.min(WIDTH_MAX / width, HEIGHT_MAX / height, 1.5);
  const within = (length: number, max: number) => Math.round(Math.min(max, Math.max(SIDE_MIN, length * scale)));
  return { width: within(width, WIDTH_MAX), height: within(height, HEIGHT_MAX) };
}
