import { expect, test } from "vitest";
import { formatRoute, parseRoute, type Open } from "./router.svelte";

test.each<Open>([
  { kind: "chat", chat: "w3h5t9c2m7pd" },
  { kind: "chat", chat: "w3h5t9c2m7pd", message: "a/b?c" },
  { kind: "chat-info", chat: "x y" },
  { kind: "chat-media", chat: "x" },
  { kind: "person", account: "k7qm2xw4p9ab" },
  { kind: "settings", section: "privacy" },
])("a written route is read again: %o", (open) => {
  expect(parseRoute(formatRoute(open)).open).toEqual(open);
});

test("a conversation keeps the list that it was opened from", () => {
  expect(parseRoute("#/chat/a", "starred").list).toBe("starred");
  expect(parseRoute("#/chat/a", "new-group").list).toBe("chats");
});

test("what no route is leads to the chats", () => {
  for (const hash of ["", "#", "#/", "#/nonsense/x", "#/%E0%A4%A", "#/chat/"]) {
    expect(parseRoute(hash)).toEqual({ list: "chats", open: null });
  }
});

test("an invitation comes by the address", () => {
  const uri = "xmpp:w3h5@groups.example.org?join;password=4f2c";
  expect(parseRoute(`#/join/${encodeURIComponent(uri)}`).join).toBe(uri);
});
