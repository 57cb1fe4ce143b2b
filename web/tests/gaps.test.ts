// A device that the server waits with nothing for, though it has not got all: of more than 32 devices the server
// forgets one. Here what comes is lost behind the stream, which is the same to the device.

import "fake-indexeddb/auto";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { OwnDevice } from "../src/engine/account/own-device";
import { Connection } from "../src/engine/connection/connection";
import { Store } from "../src/engine/store/store";
import { Company, type Person } from "./person";
import { LEFT_OUT, WHIMBREL } from "./server";

describe.skipIf(WHIMBREL === undefined)(`gaps${LEFT_OUT}`, () => {
  let company: Company;
  beforeAll(async () => {
    company = await Company.begin(2);
  }, 60_000);
  afterAll(() => company.end());

  test("what the server does not send again is read from the groups' logs, in its place", async () => {
    const [ada, bob] = company.people as [Person, Person];
    const chat = (await ada.call("openDirect", bob.account)).id;
    await ada.say(chat, "before");
    await bob.sees(chat, ["before"]);
    const members = [{ account: bob.account }];
    const left = (await ada.call("createGroup", { name: "Left", description: "", members })).chat.id;
    await expect.poll(async () => (await bob.call("chats")).some(({ id }) => id === left)).toBe(true);
    await bob.stop();

    const missed = Array.from({ length: 120 }, (_, n) => `missed ${n}`);
    for (const text of missed) await ada.say(chat, text);
    await ada.call("removeMember", left, bob.account);
    const late = (await ada.call("createGroup", { name: "Late", description: "", members })).chat.id;
    await ada.say(late, "come in");
    const isSent = async () => (await ada.messages(late)).every(({ status }) => status !== "sending");
    await expect.poll(isSent, { timeout: 20_000 }).toBe(true);
    await lose(bob);

    await bob.start();
    await ada.say(chat, "after");
    await bob.sees(chat, ["before", ...missed, "after"]);
    await bob.sees(late, ["come in"]);
    expect((await bob.call("chats")).find(({ id }) => id === left)?.hasLeft).toBe(true);
  }, 60_000);
});

/** The device's stream takes all that waits, and nothing is kept of it. */
async function lose({ server, store: name }: Person): Promise<void> {
  const store = await Store.open(name);
  const none = async () => undefined;
  const hooks = { registered: none, changed: () => undefined, ended: none, share: async () => "", withdraw: none, certifiedDevices: async () => new Set<string>() };
  const device = await OwnDevice.load(store, { origin: server.url, deviceName: "Test" }, hooks);
  let state = "";
  const connection = new Connection(
    {
      ...device.self,
      url: `${server.url.replace("http", "ws")}/xmpp-websocket`,
      mechanism: device.registration?.mechanism ?? "",
      token: () => device.registration?.token ?? "",
      keepToken: (token) => device.keepToken(token),
    },
    { receive: none, online: () => undefined, state: (now) => (state = now), refused: () => undefined },
  );
  void connection.run();
  await vi.waitUntil(() => state === "online", { timeout: 20_000 });
  await connection.stop();
  store.close();
}
