// A browser's subscription and what it is not told of, at a real server.

import "fake-indexeddb/auto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Store } from "../src/engine/store/store";
import { Company, type Person } from "./person";
import { LEFT_OUT, WHIMBREL } from "./server";

describe.skipIf(WHIMBREL === undefined)(`push${LEFT_OUT}`, () => {
  let company: Company;
  let ada: Person;
  let bob: Person;
  beforeAll(async () => {
    company = await Company.begin(2);
    [ada, bob] = company.people as [Person, Person];
  }, 60_000);
  afterAll(() => company.end());

  test("the server takes a subscription, another in its place, and lets go of it", async () => {
    expect(await bob.call("pushKey")).toMatch(/^[\w-]{87}$/);
    const keys = { p256dh: base64url([4, ...new Uint8Array(64)]), auth: base64url(new Uint8Array(16)) };
    await bob.call("subscribePush", { endpoint: "https://push.example.org/1", ...keys });
    await bob.call("subscribePush", { endpoint: "https://push.example.org/2", ...keys });
    await expect(bob.call("subscribePush", { endpoint: "http://push.example.org/3", ...keys })).rejects.toMatchObject({ name: "not-acceptable" });
    await bob.call("unsubscribePush");
    await bob.call("unsubscribePush");
  }, 60_000);

  test("a chat that is muted for good is muted at the server, until it is heard again", async () => {
    const chat = (await ada.call("openDirect", bob.account)).id;
    await ada.say(chat, "hello");
    await bob.sees(chat, ["hello"]);
    // Each store holds in memory what it has read.
    const told = async () => {
      const store = await Store.open(bob.store);
      return store.get("meta", ["muted", chat]).finally(() => store.close());
    };
    await bob.call("setChat", chat, { mutedUntil: Date.now() + 8 * 3_600_000 });
    await bob.call("catchUp");
    expect(await told()).toBeUndefined();
    await bob.call("setChat", chat, { mutedUntil: Date.UTC(9999, 11, 31) });
    await expect.poll(told, { timeout: 10_000 }).toBe(true);
    await bob.call("setChat", chat, { mutedUntil: null });
    await expect.poll(told, { timeout: 10_000 }).toBe(false);
  }, 60_000);
});

function base64url(bytes: Iterable<number>): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
