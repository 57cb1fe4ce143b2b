import { expect, test } from "vitest";
import { en } from "./en";
import { formatFor } from "./format";

const format = formatFor("en-GB", en);
const now = new Date(2026, 10, 22, 12, 0).getTime();
const before = (days: number, hour = 12) => new Date(2026, 10, 22 - days, hour, 5).getTime();

test.each([
  [before(0, 9), "9:05", "Today"],
  [before(1, 23), "Yesterday", "Yesterday"],
  [before(3), "Thu", "Thursday"],
  [before(30), "23 Oct", "23 October 2026"],
  [before(700), "22/12/24", "22 December 2024"],
])("a day is written as near as it is (%#)", (at, short, day) => {
  expect(format.short(at, now).replace(/^0/, "")).toBe(short);
  expect(format.day(at, now)).toBe(day);
});

test.each([[0, "0:00"], [65_000, "1:05"], [3_605_000, "1:00:05"]])("%i ms on the clock", (ms, shown) => {
  expect(format.clock(ms)).toBe(shown);
});

test("spans and sizes take the largest unit that fits", () => {
  expect(format.span(7 * 86_400)).toBe("7 days");
  expect(format.span(59)).toBe("59 seconds");
  expect(format.bytes(999)).toMatch(/^999/);
  expect(format.bytes(1_500_000)).toBe("1.5 MB");
});
