import { expect, test } from "vitest";
import { placeMenu } from "./place";

const view = { width: 400, height: 800 };
const menu = { width: 200, height: 300 };
const point = (x: number, y: number) => ({ left: x, right: x, top: y, bottom: y });

test.each([
  ["with room it starts at the point", point(20, 100), false, { left: 20, top: 100 }],
  ["at the right edge it ends there", point(390, 100), false, { left: 190, top: 100 }],
  ["from right to left it ends at the point", point(300, 100), true, { left: 100, top: 100 }],
  ["at the lower edge it opens upwards", point(20, 700), false, { left: 20, top: 400 }],
  ["without room anywhere it stays inside", point(100, 150), true, { left: 100, top: 150 }],
])("%s", (_, at, rtl, expected) => {
  expect(placeMenu(at, menu, view, rtl)).toEqual(expected);
});
