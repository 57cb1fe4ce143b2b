import { expect, test } from "vitest";
import { mentionAt, suggest, toSent, toWritten } from "./mentions";

const people = [{ account: "a1", name: "Ada" }, { account: "a2", name: "Ada Lovelace" }, { account: "b1", name: "José" }];

test.each([["hi @ad", 6, "ad"], ["@", 1, ""], ["mail@ad", 7, null], ["hi @ad x", 8, null], ["@jos\u00e9", 5, "josé"]])("%s", (text, caret, words) => {
  expect(mentionAt(text, caret)?.words ?? null).toBe(words);
});

test("a word of the name is enough", () => {
  expect(suggest(people, "love", 5).map(({ account }) => account)).toEqual(["a2"]);
  expect(suggest(people, "", 2)).toHaveLength(2);
});

test("what is sent names accounts, and is written again as names", () => {
  const sent = toSent("@Ada Lovelace meets @Ada, not @José", people.slice(0, 2));
  expect(sent).toEqual({ text: "@a2 meets @a1, not @José", mentions: ["a2", "a1"] });
  expect(toWritten(sent.text, people)).toBe("@Ada Lovelace meets @Ada, not @José");
});
