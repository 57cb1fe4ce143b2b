import { expect, test } from "vitest";
import { findEmoji, remember } from "./find";

const all = [
  { emoji: "😺", name: "grinning cat", tags: ["animal"], group: 0 },
  { emoji: "🐈", name: "cat", tags: ["pet"], group: 3 },
  { emoji: "🎂", name: "birthday cake", tags: ["party"], group: 4 },
];
const found = (typed: string) => findEmoji(all, typed).map(({ emoji }) => emoji).join("");

test("by name, tag and several words", () => {
  expect(found("cat")).toBe("🐈😺");
  expect(found("par")).toBe("🎂");
  expect(found("cake birth")).toBe("🎂");
  expect(found("dog")).toBe("");
  expect(found(" ")).toBe("");
});

test("the last one used comes first, once", () => expect(remember(["a", "b", "c"], "b", 2)).toEqual(["b", "a"]));
