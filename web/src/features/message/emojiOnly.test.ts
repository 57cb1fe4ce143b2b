import { expect, test } from "vitest";
import { emojiOnly } from "./emojiOnly";

test.each([["😀", 1], ["👨‍👩‍👧‍👦", 1], ["🇩🇪 ❤️", 2], ["👍🏽👍🏽👍🏽", 3], ["😀😀😀😀", 0], ["ok 👍", 0], ["12", 0], ["", 0], ["1️⃣", 1]])("%s", (text, count) => {
  expect(emojiOnly(text)).toBe(count);
});
