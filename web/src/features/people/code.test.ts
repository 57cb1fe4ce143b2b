import { expect, test } from "vitest";
import { joinLink, personLink, readCode } from "./code";

const uri = "xmpp:w3h5@groups.example.org?join;password=4f2c";

test("what this app shows it reads", () => {
  expect(readCode(personLink("https://example.org", "k7qm"))).toEqual({ kind: "account", account: "k7qm" });
  expect(readCode(joinLink("https://example.org", uri))).toEqual({ kind: "invitation", uri });
});

test.each([
  [uri, "invitation"],
  ["tel:+1 555 010-0123", "person"],
  ["https://example.org/", "unknown"],
  ["#/person/%E0%A4%A", "unknown"],
  ["xmpp:a@b?message", "unknown"],
])("%s: %s", (text, kind) => expect(readCode(text).kind).toBe(kind));
