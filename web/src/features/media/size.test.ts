import { expect, test } from "vitest";
import { drawnSize } from "./size";

test.each([
  [4000, 3000, 320, 240],
  [3000, 4000, 285, 380],
  [100, 100, 150, 150],
  [10_000, 10, 320, 110],
  [0, 0, 320, 240],
  [Number.NaN, 5, 320, 240],
])("%i × %i", (width, height, w, h) => expect(drawnSize(width, height)).toEqual({ width: w, height: h }));
