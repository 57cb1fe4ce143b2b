// What the own devices agree on, in the group of the own account (docs/protocol/envelope.md, "Among own
// devices"). What concerns a chat is a task for it: kept in one batch with the place in the own log,
// and taken in by the chat when its turn comes.

import type { ChatId, ChatMarks } from "../protocol";
import type { OwnBody, Profile } from "../content/envelope";
import { newMessageId } from "../content/envelope";
import { hide, later, star, type Later, type Stamp } from "../content/row";
import { takeAgreed } from "../contacts/people";
import type { Batch } from "../store/store";
import type { Desk } from "./desk";
import { TASK, taskKey } from "./keys";
import type { Ledger } from "./ledger";
import { takeSticker } from "./stickers";

type ChatBody = Extract<OwnBody, { chat: string }>;
interface Task {
  body: ChatBody;
  stamp: Stamp;
}

export class OwnLog {
  readonly #desk: Desk;

  constructor(desk: Desk) {
    this.#desk = desk;
  }

  /** Holds on this device when it returns, and reaches the others. */
  async say(body: OwnBody): Promise<void> {
    const room = await this.#desk.context.conversations.own();
    const id = newMessageId(this.#desk.own);
    await this.#desk.say(room, body, { id }, (ledger, stamp) => this.#effect(ledger.batch, body, stamp));
    await this.#tell(body);
    if ("chat" in body) await this.drain(body.chat);
  }

  /** What the own account says of itself, for all of its devices. */
  async sayProfile(profile: Profile): Promise<void> {
    const { context, profiles, own } = this.#desk;
    const room = await context.conversations.own();
    await this.#desk.say(room, { kind: "profile" }, { profile }, async (ledger, stamp) => {
      await profiles.take(ledger.batch, own, profile, stamp);
    });
    context.say(await this.#desk.contactEvent(own, context.store));
  }

  /** The chat takes in what was agreed on. */
  async drain(chat: ChatId): Promise<void> {
    await this.#desk.change(chat, async (ledger) => {
      for (const { key, value } of await ledger.batch.range<Task>("chats", { prefix: [TASK, chat] })) {
        await carryOut(ledger, value);
        ledger.batch.delete("chats", key);
      }
    });
  }

  /** What a crash has left. */
  async drainAll(): Promise<void> {
    const tasks = await this.#desk.context.store.range<Task>("chats", { prefix: [TASK] });
    for (const chat of new Set(tasks.map(({ value }) => value.body.chat))) await this.drain(chat);
  }

  /** @returns whether the task is kept: its batch may be on its way. */
  async hasTask(chat: ChatId): Promise<boolean> {
    const [task] = await this.#desk.context.store.range<Task>("chats", { prefix: [TASK, chat], count: 1 });
    return task !== undefined;
  }

  async #effect(batch: Batch, body: OwnBody, stamp: Stamp): Promise<void> {
    if (body.kind === "settings") this.#desk.settings.take(batch, body.set, stamp);
    else if (body.kind === "person") await takeAgreed(batch, body, stamp);
    else if (body.kind === "tray") await takeSticker(batch, body, stamp);
    else if ("chat" in body) batch.put("chats", taskKey(body.chat, stamp.order, stamp.id), { body, stamp } satisfies Task);
  }

  async #tell(body: OwnBody): Promise<void> {
    const { context, settings } = this.#desk;
    if (body.kind === "settings") context.say({ type: "settings", settings: settings.current });
    if (body.kind === "person") context.say(await this.#desk.contactEvent(body.account, context.store));
  }
}

async function carryOut(ledger: Ledger, { body, stamp }: Task): Promise<void> {
  switch (body.kind) {
    case "chat":
      mark(ledger, body.set, stamp);
      break;
    case "read":
      await ledger.readUpTo(body.upTo);
      break;
    case "star":
      for (const id of body.ids) ledger.put(star(await ledger.row(id), stamp, body.starred));
      break;
    case "hide":
      for (const id of body.ids) ledger.put(hide(await ledger.row(id)));
      break;
    case "clear":
      await ledger.clearUpTo(body.upTo);
  }
}

function mark({ chat }: Ledger, set: Partial<ChatMarks>, stamp: Stamp): void {
  const marks: Record<string, Later<unknown>> = { ...chat.marks };
  for (const [name, value] of Object.entries(set)) marks[name] = later(marks[name], stamp, value);
  chat.marks = marks as typeof chat.marks;
}
