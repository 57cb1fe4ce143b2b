import type { Element } from "@xmpp/client";
import { expect, test } from "vitest";
import { Attention } from "./attention";

test("the server hears of each change once, and of how it is after each log-in", async () => {
  const sent: string[] = [];
  let isSeen = true;
  let isCut = false;
  const send = (stanza: Element) => {
    if (isCut) return Promise.reject(new Error("offline"));
    sent.push(stanza.name);
    return Promise.resolve();
  };
  const attention = new Attention({ iq: () => Promise.resolve(undefined), send }, () => Promise.resolve(isSeen));
  const change = (seen: boolean) => {
    isSeen = seen;
    return attention.commands.attention();
  };
  await attention.online();
  await change(true);
  await change(false);
  expect(sent.splice(0)).toEqual(["active", "inactive"]);
  isCut = true;
  await change(true);
  isCut = false;
  await attention.online();
  await attention.online();
  expect(sent).toEqual(["active", "active"]);
});
