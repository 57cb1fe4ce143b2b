import { expect, test } from "vitest";
import { firstLink } from "./link-finder.svelte";

test.each([
  ["see https://example.org/a?b=1#c.", "https://example.org/a?b=1#c"],
  ["http://one.example and https://two.example", "http://one.example"],
  ["mail ada@example.org", null],
  ["ftp://example.org/x", null],
  ["nothing here", null],
])("%s", (text, link) => expect(firstLink(text)).toBe(link));
