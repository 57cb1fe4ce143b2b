import { expect, test } from "vitest";
import { bubbleColours, inkOn } from "./colours";

test.each([["#ffffff", "#000000"], ["#000000", "#ffffff"], ["#ffe000", "#000000"], ["#1a237e", "#ffffff"]])("on %s one writes in %s", (ground, ink) => {
  expect(inkOn(ground)).toBe(ink);
});

test("a choice is a name or a colour; anything else is the standard", () => {
  expect(bubbleColours("tide")?.ground).toMatch(/^light-dark/);
  expect(bubbleColours("#123456")).toEqual({ ground: "#123456", ink: "#ffffff" });
  for (const choice of [null, "", "red;}", "url(x)", "#12345"]) expect(bubbleColours(choice)).toBeNull();
});
