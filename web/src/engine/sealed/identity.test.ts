import { xml, type Element } from "@xmpp/client";
import "fake-indexeddb/auto";
import { expect, test } from "vitest";
import type { Context } from "../parts";
import { Store } from "../store/store";
import { Identity } from "./identity";

const DAY_MS = 86_400_000;

test("key packages are topped up, and renewed before they end", async () => {
  let nowMs = 1_790_000_000_000;
  const offered: number[] = [];
  const stock = { singleUse: 0, hasLastResort: false };
  let list: Element | undefined;
  const iq = async (type: "get" | "set", _: string | undefined, payload: Element): Promise<Element | undefined> => {
    if (payload.is("device-list")) {
      if (type === "set") list = payload;
      return list;
    }
    if (type === "get") return xml("key-packages", { "single-use": String(stock.singleUse), "last-resort": String(stock.hasLastResort) });
    const count = payload.getChildren("key-package").length;
    offered.push(count);
    stock.singleUse = 40;
    stock.hasLastResort = true;
    return undefined;
  };
  const self = { account: "k7qm2xw4p9ab", device: "d4565fa7-4d72-4749-b3d3-740edbf87770", domain: "example.org", groups: "groups.example.org" };
  const store = await Store.open(crypto.randomUUID());
  const identity = await Identity.load({ store, self, xmpp: { iq, send: async () => undefined }, now: () => nowMs } as unknown as Context);

  await identity.publish();
  expect(offered.splice(0)).toEqual([41]);
  await identity.publish();
  expect(offered).toEqual([]);
  stock.singleUse = 9;
  await identity.publish();
  expect(offered.splice(0)).toEqual([31]);
  nowMs += 68 * DAY_MS;
  await identity.publish();
  expect(offered).toEqual([]);
  // They hold for 83 days: two weeks before, all of them are others.
  nowMs += 2 * DAY_MS;
  await identity.publish();
  expect(offered.splice(0)).toEqual([41]);
  const before = (await identity.packages()).length;
  // A Welcome that was made before the end may be read for a month.
  nowMs += 50 * DAY_MS;
  await identity.publish();
  expect(offered.splice(0)).toEqual([]);
  expect((await identity.packages()).length).toBe(before);
  nowMs += 20 * DAY_MS;
  await identity.publish();
  expect(offered.splice(0)).toEqual([41]);
  expect((await identity.packages()).length).toBe(82);
});
