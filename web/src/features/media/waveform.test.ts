import { expect, test } from "vitest";
import { bars, shorten } from "./waveform";

test("more peaks than bars: the loudest of each part", () => expect(bars([1, 2, 0, 4], 2)).toEqual([0.5, 1]));
test("fewer peaks than bars are repeated", () => expect(bars([1, 2], 4)).toEqual([0.5, 0.5, 1, 1]));
test("silence and nothing", () => {
  expect(bars([0, 0], 3)).toEqual([0, 0, 0]);
  expect(bars([], 2)).toEqual([0, 0]);
  expect(shorten([], 64)).toEqual([0]);
});
test("what travels is short, and from 0 to 1", () => {
  const heights = shorten(Array.from({ length: 1000 }, (_, i) => i), 64);
  expect([heights.length, Math.max(...heights)]).toEqual([64, 1]);
});
