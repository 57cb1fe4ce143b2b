// How fast chats of 100,000 messages are: in a browser, over its own database. See chats.js.

import { Chats } from "../src/engine/chats/chats";
import { encodeEnvelope, newMessageId } from "../src/engine/content/envelope";
import { directChat } from "../src/engine/conversations/direct";
import type { Arrival, Context, Conversations } from "../src/engine/parts";
import { Refusal } from "../src/engine/refusal";
import { Store } from "../src/engine/store/store";

const OWN = "k7qm2xw4p9ab";
const PEER = "p3c8tz0n6vfd";
const DOMAIN = "example.org";
const MESSAGES = Number(new URLSearchParams(location.search).get("messages"));
const TAKEN_AT_ONCE = 64;
const BEGAN_MS = 1_700_000_000_000;

async function run(): Promise<Record<string, number>> {
  const chat = await directChat(DOMAIN, OWN, PEER);
  const figures: Record<string, number> = { messages: MESSAGES };
  const filled = await opened("bench");
  figures.catch_up_per_s = MESSAGES / ((await timed(() => fill(filled, chat))) / 1000);
  filled.store.close();

  let again!: Awaited<ReturnType<typeof opened>>;
  figures.open_ms = await timed(async () => {
    again = await opened("bench");
    const page = await again.chats.commands.messages(chat);
    if (page.messages.length !== 50 || !page.hasOlder) throw new Error("the page is not whole");
  });
  const { commands } = again.chats;
  figures.list_ms = await timed(async () => void (await commands.chats()));
  figures.page_ms = await median(20, async (round) => {
    const before = orderOf(Math.floor((MESSAGES * round) / 25) + 1_000);
    await commands.messages(chat, { before }, 50);
  });
  figures.search_first_ms = await timed(async () => void (await commands.search("tern")));
  const questions = ["tern", "word7", "fly far", "a", "wor 99 ter", "nothing at all"];
  figures.search_ms = await median(questions.length, async (round) => void (await commands.search(questions[round] ?? "")));
  const slowest = await Promise.all([timed(async () => void (await commands.search("the")))]);
  figures.search_common_ms = Math.max(...slowest);
  figures.one_message_ms = await median(50, (round) => take(again, chat, [arrival(chat, MESSAGES + round)]));
  const { usedJSHeapSize } = (performance as unknown as { memory: { usedJSHeapSize: number } }).memory;
  figures.heap_mb = usedJSHeapSize / 1e6;
  return figures;
}

async function opened(name: string) {
  const store = await Store.open(name);
  const never = () => Promise.reject(new Refusal("offline", "there is no server"));
  const exclusive: Conversations["exclusive"] = (_, task) => task();
  const conversations = { exclusive, own: never, post: never, retry: never, withdraw: never, direct: never, change: never };
  const self = { account: OWN, device: "bench", domain: DOMAIN, groups: `groups.${DOMAIN}` };
  const xmpp = { iq: never, send: never };
  const context: Context = { store, self, xmpp, conversations, say: () => undefined, now: Date.now };
  return { store, chats: await Chats.open(context) };
}

type Opened = Awaited<ReturnType<typeof opened>>;

async function fill(to: Opened, chat: string): Promise<void> {
  const changes = [{ type: "created" }, { type: "added", account: OWN, affiliation: "owner" }] as const;
  await take(to, chat, [{ chat, order: orderOf(0), at: BEGAN_MS, author: PEER, what: { kind: "changed", changes: [...changes] } }]);
  for (let from = 1; from <= MESSAGES; from += TAKEN_AT_ONCE) {
    const count = Math.min(TAKEN_AT_ONCE, MESSAGES - from + 1);
    await take(to, chat, Array.from({ length: count }, (_, index) => arrival(chat, from + index)));
  }
  await to.chats.desk.index.pack();
}

async function take({ store, chats }: Opened, chat: string, arrivals: Arrival[]): Promise<void> {
  const batch = store.batch();
  for (const one of arrivals) await chats.contents.apply(one, batch);
  batch.put("meta", ["place", chat], arrivals.at(-1)?.order);
  await batch.commit();
}

function arrival(chat: string, number: number): Arrival {
  const author = number % 3 ? PEER : OWN;
  const text = `Message ${number}: the arctic tern may fly far, word${number % 1000} and word${(number * 7) % 313}`;
  const envelope = encodeEnvelope({ id: newMessageId(author), body: { kind: "text", text, mentions: [] }, forwarded: false });
  return { chat, order: orderOf(number), at: BEGAN_MS + number * 1000, author, what: { kind: "sealed", envelope } };
}

function orderOf(number: number): string {
  return `${(BEGAN_MS + number * 1000).toString(16).padStart(11, "0")}00000`;
}

async function timed(what: () => Promise<void>): Promise<number> {
  const from = performance.now();
  await what();
  return performance.now() - from;
}

async function median(rounds: number, what: (round: number) => Promise<void>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) times.push(await timed(() => what(round)));
  return times.sort((one, other) => one - other)[Math.floor(rounds / 2)] ?? 0;
}

const figures = await run().catch((error: unknown) => ({ error: String(error) }));
await fetch("/figures", { method: "POST", body: JSON.stringify(figures) });
