import { expect, test } from "vitest";
import { fit, kindOf } from "./prepare";

test.each([["image/jpeg", "photo"], ["image/gif", "gif"], ["image/svg+xml", "document"], ["video/mp4", "film"], ["video/x-unknown", "document"], ["text/html", "document"], ["", "document"]])("%s is sent as %s", (type, kind) => {
  expect(kindOf(type)).toBe(kind);
});

test("a photo is made smaller, never larger", () => {
  expect(fit(4000, 3000, 2000)).toEqual({ width: 2000, height: 1500 });
  expect(fit(40, 30, 2000)).toEqual({ width: 40, height: 30 });
  expect(fit(10_000, 1, 100)).toEqual({ width: 100, height: 1 });
});
