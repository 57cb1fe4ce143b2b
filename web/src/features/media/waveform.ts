// A recording's loudness as bars.

/** @param peaks loudness, any scale. @returns `count` heights from 0 to 1. */
export function bars(peaks: readonly number[], count: number): number[] {
  const loudest = peaks.reduce((most, peak) => (peak > most ? peak : most), 0);
  return Array.from({ length: count }, (_, i) => {
    const part = peaks.slice(Math.floor((i * peaks.length) / count), Math.max(Math.floor(((i + 1) * peaks.length) / count), Math.floor((i * peaks.length) / count) + 1));
    const most = part.reduce((a, b) => (b > a ? b : a), 0);
    return loudest > 0 ? most / loudest : 0;
  });
}

/** @returns at most `count` heights from 0 to 1, as a message takes them. */
export function shorten(peaks: readonly number[], count: number): number[] {
  return bars(peaks, Math.min(count, Math.max(peaks.length, 1)));
}
