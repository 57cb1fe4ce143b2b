import { expect, test } from "vitest";
import { hueOf, initialsOf } from "./initials";

test.each([
  ["Ada Lovelace", "AL"],
  ["ada", "A"],
  ["Jean-Luc van Picard", "JP"],
  ["+15550100123", "1"],
  ["🙂 Mia", "M"],
  ["सीता राम", "सर"],
  ["", "·"],
  ["🙂", "·"],
])("%s is drawn as %s", (name, letters) => expect(initialsOf(name)).toBe(letters));

test("the same id has the same hue", () => expect(hueOf("k7qm2xw4p9ab")).toBe(hueOf("k7qm2xw4p9ab")));
