import { expect, test } from "vitest";
import { isPastRetraction } from "./retraction";

const message = { at: 1_000_000, order: "0000000000f42400" };

test.each([
  [undefined, 9e12, false],
  [60, 1_060_000, false],
  [60, 1_060_001, true],
])("within %s s at %s", (withinS, now, isPast) => expect(isPastRetraction(message, withinS, now)).toBe(isPast));

test("what is not sent can always be taken back", () => expect(isPastRetraction({ ...message, order: "~1" }, 1, 9e12)).toBe(false));
