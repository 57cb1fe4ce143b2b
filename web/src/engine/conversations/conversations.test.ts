import { xml, type Element } from "@xmpp/client";
import "fake-indexeddb/auto";
import { expect, test, vi } from "vitest";
import type { Arrival, Contents, Sealed, Self, Taken } from "../parts";
import type { EngineEvent } from "../protocol";
import { Store } from "../store/store";
import { Rooms } from "./conversations";
import { NS, textOf, type LogEntry } from "./log-entry";

const SELF: Self = { account: "k7qm2xw4p9ab", device: "d1", domain: "example.org", groups: "groups.example.org" };
const PEER = "p3c8tz0n6vfd";
const CHAT = "w3h5t9c2m7pd";

/** Seals nothing; counts the epoch. */
class FakeSealed implements Sealed {
  isIn = true;
  entered: string[] = [];
  epoch = 1;

  async take({ what, sender }: LogEntry): Promise<Taken> {
    if (what.kind !== "sealed") return { kind: "followed", isIn: this.isIn, keyChanged: [] };
    const text = new TextDecoder().decode(what.message);
    if (sender === SELF.account) return { kind: "own" };
    if (text === "a trap") throw new Error("a mistake of ours");
    return text === "nonsense" ? { kind: "unreadable" } : { kind: "opened", bytes: what.message, account: PEER, device: "d2" };
  }
  async seal(_chat: string, bytes: Uint8Array) {
    return this.isIn ? new TextEncoder().encode(`${this.epoch}:${new TextDecoder().decode(bytes)}`) : undefined;
  }
  async enter(chat: string, peer?: string): Promise<void> {
    this.entered.push(`${chat} ${peer ?? ""}`);
    this.isIn = true;
  }
  change = async () => ({ absent: [], reserved: [] });
  callKeys = () => Promise.reject(new Error("there are no calls here"));
  enterAll = async () => undefined;
  share = async () => "";
  withdraw = async () => undefined;
  safetyNumber = async () => ({ digits: "", qr: new Uint8Array() });
  drop(): void {}
  memberLeft(): void {}
  isVouched = () => true;
  beginAnew = async () => undefined;
  close(): void {}
  certifiedDevices = async () => new Set<string>();
  online = async () => undefined;
  receive = async () => false;
}

class FakeContents implements Contents {
  readonly heard: string[] = [];
  readonly failures: string[] = [];

  async apply(arrival: Arrival): Promise<EngineEvent[]> {
    const { what, order, author } = arrival;
    const said = what.kind === "sealed" ? new TextDecoder().decode(what.envelope) : what.kind;
    this.heard.push(`${order.slice(-1)} ${author ?? "room"}: ${said}`);
    return [];
  }
  async failed(_chat: string, id: string, error?: { name: string }): Promise<EngineEvent[]> {
    this.failures.push(`${id} ${error?.name ?? "again"}`);
    return [];
  }
}

async function device(store?: Store) {
  const [sealed, contents, left] = [new FakeSealed(), new FakeContents(), [] as Element[]];
  const kept = store ?? (await Store.open(crypto.randomUUID()));
  const xmpp = { iq: async () => undefined, send: async (stanza: Element) => void left.push(stanza) };
  const rooms = new Rooms({ store: kept, self: SELF, xmpp, sealed, contents, say: () => undefined, now: () => 0, full: () => undefined });
  const sent = () => left.map((stanza) => `${stanza.attrs["id"]} ${atob(stanza.getChildText("message", NS.mls) ?? "")}`);
  const post = (id: string, isQuiet?: true) =>
    rooms.exclusive(CHAT, () => rooms.post(CHAT, { id, envelope: new TextEncoder().encode(`<${id}>`), lasts: "log", ...(isQuiet && { isQuiet }) }));
  return { rooms, sealed, contents, sent, left, post, store: kept };
}

/** A sealed message of the log, at this place. */
function logged(place: number, account: string, text: string, id = `id${place}`): Element {
  const order = place.toString(16).padStart(16, "0");
  return xml(
    "message",
    { type: "groupchat", from: `${CHAT}@groups.example.org/${account}`, id },
    xml("message", { xmlns: NS.mls }, textOf(new TextEncoder().encode(text))),
    xml("x", { xmlns: NS.mucUser }, xml("item", { jid: `${account}@example.org` })),
    xml("stanza-id", { xmlns: NS.stanzaId, by: `${CHAT}@groups.example.org`, id: order }),
  );
}

/** A commit, and what it does to the room. */
function commit(place: number, epoch: number, change: Element): Element {
  const [jid, order] = [`${CHAT}@groups.example.org`, place.toString(16).padStart(16, "0")];
  const by = `${PEER}@example.org`;
  const handshake = xml("handshake", {}, textOf(new Uint8Array([epoch])));
  return xml(
    "message",
    { type: "groupchat", from: jid, id: order },
    xml("change", { xmlns: NS.groups, by }, change),
    xml("commit", { xmlns: NS.mls, epoch, by: `${PEER}/d2` }, handshake),
    xml("stanza-id", { xmlns: NS.stanzaId, by: jid, id: order }),
  );
}

test("a log is taken once, in order, past what is bad", async () => {
  const { rooms, contents } = await device();
  const texts = ["one", "nonsense", "a trap", "four"];
  await Promise.all(texts.map((text, place) => rooms.receive(logged(place + 1, PEER, text))));
  await rooms.receive(logged(2, PEER, "a repetition"));
  expect([...new Set(contents.heard)]).toEqual([`1 ${PEER}: one`, `2 ${PEER}: unreadable`, `3 ${PEER}: unreadable`, `4 ${PEER}: four`]);
  expect(await rooms.place(CHAT)).toBe("0000000000000004");
});

test("who comes by a commit is known before the commit is followed, from one entry", async () => {
  const { rooms, contents, sealed } = await device();
  const heard: string[] = [];
  const take = sealed.take.bind(sealed);
  sealed.take = async (entry) => {
    heard.push(...contents.heard.splice(0), entry.what.kind);
    if (entry.what.kind === "commit" && entry.what.epoch === 3) throw new Error("a mistake of ours");
    return { ...(await take(entry)), keyChanged: [PEER] } as Taken;
  };
  await rooms.receive(commit(1, 2, xml("added", { jid: `${PEER}@example.org`, affiliation: "member" })));
  expect([...heard, ...contents.heard.splice(0)]).toEqual([`1 ${PEER}: changed`, "commit", "1 room: keys"]);
  // Who is in it stays known, whatever the commit is.
  await rooms.receive(commit(2, 3, xml("left", { jid: `${PEER}@example.org` })));
  expect(contents.heard.at(-1)).toBe(`2 ${PEER}: changed`);
  expect(await rooms.place(CHAT)).toBe("0000000000000002");
});

test("what is posted leaves in order, and waits for the log through a reload", async () => {
  const first = await device();
  await first.post("a");
  await first.rooms.online(false);
  await first.post("b");
  await first.post("c");
  await expect.poll(first.sent).toEqual(["a 1:<a>", "b 1:<b>", "c 1:<c>"]);
  await first.rooms.receive(logged(1, SELF.account, "…", "a"));
  expect(first.contents.heard).toEqual([`1 ${SELF.account}: <a>`]);

  const second = await device(first.store);
  await second.rooms.online(false);
  // The same bytes: the server knows them by their origin-id.
  await expect.poll(second.sent).toEqual(["b 1:<b>", "c 1:<c>"]);
  await second.rooms.receive(logged(2, SELF.account, "…", "b"));
  await second.rooms.receive(logged(3, SELF.account, "…", "c"));
  expect(await second.store.count("outbox")).toBe(0);
});

test("what the server has no time for waits, and leaves in order later", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  try {
    const { rooms, contents, sent, post } = await device();
    await rooms.online(false);
    const ids = Array.from({ length: 40 }, (_, number) => `m${String(number).padStart(2, "0")}`);
    for (const id of ids) await post(id);
    const left = () => sent().map((line) => line.slice(0, 3));
    await vi.waitFor(() => expect(left()).toEqual(ids.slice(0, 16)));
    const logged_ = async (from: number, to: number) => {
      for (let number = from; number < to; number++) await rooms.receive(logged(number + 1, SELF.account, "…", ids[number]));
    };
    await logged_(0, 10);
    await vi.waitFor(() => expect(left().length).toBeGreaterThanOrEqual(24));
    const under = left().slice(10);
    for (const id of under) {
      const error = xml("error", { type: "wait" }, xml("policy-violation", { xmlns: "urn:ietf:params:xml:ns:xmpp-stanzas" }));
      await rooms.receive(xml("message", { type: "error", from: `${CHAT}@groups.example.org`, id }, error));
    }
    const before = left().length;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(left()).toHaveLength(before);
    await vi.advanceTimersByTimeAsync(2_000);
    await vi.waitFor(() => expect(left().slice(before)).toEqual(ids.slice(10, 26)));
    expect(contents.failures).toEqual([]);
  } finally {
    vi.useRealTimers();
  }
});

test("what is refused is sealed anew, or fails and is tried again by the user", async () => {
  const { rooms, sealed, contents, sent, post } = await device();
  sealed.isIn = false;
  const direct = await rooms.direct(PEER);
  await rooms.online(false);
  await rooms.exclusive(direct, () => rooms.post(direct, { id: "m", envelope: new Uint8Array([33]), lasts: "log" }));
  await expect.poll(() => sealed.entered).toEqual([`${direct} ${PEER}`]);
  await expect.poll(sent).toEqual(["m 1:!"]);

  await post("a");
  const refused = (condition: string, application?: string) =>
    xml(
      "message",
      { type: "error", from: `${CHAT}@groups.example.org`, id: "a" },
      xml("error", { type: "cancel" }, xml(condition, { xmlns: "urn:ietf:params:xml:ns:xmpp-stanzas" }), application && xml(application, { xmlns: NS.mls })),
    );
  sealed.epoch = 2;
  await rooms.receive(refused("conflict", "other-epoch"));
  await expect.poll(sent).toContain("a 2:<a>");
  await rooms.receive(refused("forbidden"));
  expect(contents.failures).toEqual(["a forbidden"]);
  await rooms.exclusive(CHAT, () => rooms.retry(CHAT, "a"));
  await expect.poll(() => sent().length).toBe(4);
  expect(contents.failures).toEqual(["a forbidden", "a again"]);
  expect(await rooms.exclusive(CHAT, () => rooms.withdraw(CHAT, "a"))).toBe(false);
});

test("the server learns that nobody need be called, also after a reload", async () => {
  const one = await device();
  await one.post("loud");
  await one.post("quiet", true);
  const two = await device(one.store);
  await two.rooms.online(false);
  await expect.poll(() => two.left.length).toBe(2);
  expect(two.left.map((stanza) => stanza.getChild("quiet", NS.mls) !== undefined)).toEqual([false, true]);
});
