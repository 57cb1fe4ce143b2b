import { expect, test } from "vitest";
import { hashOfAddress } from "./addresses";

test.each([
  ["/chats/w3h5t9c2m7pd", "#/chat/w3h5t9c2m7pd"],
  ["/chats/w3h5t9c2m7pd/info", "#/chat/w3h5t9c2m7pd/info"],
  ["/person/k7qm2xw4p9ab", "#/person/k7qm2xw4p9ab"],
  ["/join/xmpp%3Aa%40groups.example.org%3Fjoin", "#/join/xmpp%3Aa%40groups.example.org%3Fjoin"],
  ["/link/whimbrel-link%3Ax.y#secret", "#/link/whimbrel-link%3Ax.y%23secret"],
  [`/open?uri=${encodeURIComponent("xmpp:a@groups.example.org?join;password=1")}`, "#/join/xmpp%3Aa%40groups.example.org%3Fjoin%3Bpassword%3D1"],
  [`/open?uri=${encodeURIComponent("web+whimbrel:chats/w3h5t9c2m7pd")}`, "#/chat/w3h5t9c2m7pd"],
  [`/open?uri=${encodeURIComponent("web+whimbrel://person/k7qm2xw4p9ab")}`, "#/person/k7qm2xw4p9ab"],
  ["/open?uri=https%3A%2F%2Fexample.org", undefined],
  ["/", undefined],
  ["/#/chat/x", undefined],
  ["/chats/", undefined],
  ["/nonsense/x", undefined],
])("%s leads to %s", (path, expected) => {
  expect(hashOfAddress(`https://example.org${path}`)).toBe(expected);
});
