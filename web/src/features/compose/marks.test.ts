import { expect, test } from "vitest";
import { insert, toggleMark } from "./marks";

test("a mark is put around the selection and taken away again", () => {
  const plain = { text: "so nice", start: 3, end: 7 };
  const bold = toggleMark(plain, "*");
  expect(bold).toEqual({ text: "so *nice*", start: 4, end: 8 });
  expect(toggleMark(bold, "*")).toEqual(plain);
});

test("what is inserted takes the selection's place", () => {
  expect(insert({ text: "abc", start: 1, end: 2 }, "😀")).toEqual({ text: "a😀c", start: 3, end: 3 });
});
