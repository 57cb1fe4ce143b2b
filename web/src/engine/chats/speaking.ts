// What the user says, and says about messages.

import { xml } from "@xmpp/client";
import type { AccountId, ChatId, Content, Draft, LinkPreview, MessageId } from "../protocol";
import { Refusal } from "../refusal";
import type { MessageBody, Quote } from "../content/contents";
import { newMessageId, type Annotation } from "../content/envelope";
import { isMessageKind } from "../content/contents";
import { isPastRetraction } from "../content/retraction";
import { annotate, isGone, isPending, newRow, place, type Row } from "../content/row";
import { contentOf, previewOf } from "../content/view";
import { Serial } from "../conversations/serial";
import type { Batch } from "../store/store";
import { isAdmin, type ChatRow } from "./chat-row";
import type { Desk, Saying } from "./desk";
import type { FileContent } from "./file-body";
import { chatKey, postedKey } from "./keys";
import type { Ledger } from "./ledger";
import type { Uploads } from "./uploads";

export class Speaking {
  readonly #desk: Desk;
  readonly #uploads: Uploads;
  readonly #turns = new Map<ChatId, Serial>();

  constructor(desk: Desk, uploads: Uploads) {
    this.#desk = desk;
    this.#uploads = uploads;
  }

  /** What is sent at one moment leaves in the order of the calls: looking things up may take one longer. */
  async send(chat: ChatId, draft: Draft): Promise<MessageId> {
    const { content } = draft;
    const inTurn = <T>(task: (saying: Saying) => Promise<T>) =>
      this.#turn(chat).run(async () => task(await this.#sayingFor(chat, draft.reply)));
    if (!isFileContent(content)) return inTurn((saying) => this.#sayMessage(chat, bodyOf(content), saying));
    // Others do not wait for what is to be encrypted and uploaded.
    const saying = await inTurn(async (saying) => saying);
    return this.#uploads.send(chat, content, saying);
  }

  #turn(chat: ChatId): Serial {
    const turn = this.#turns.get(chat) ?? new Serial();
    this.#turns.set(chat, turn);
    return turn;
  }

  /** A message whose files are uploaded.
   *  @param also what is kept with it */
  sayUploaded(chat: ChatId, body: MessageBody, saying: Saying, also: (batch: Batch) => void): Promise<MessageId> {
    return this.#sayMessage(chat, body, saying, also);
  }

  async edit(chat: ChatId, id: MessageId, text: string, mentions: AccountId[] = [], link?: LinkPreview): Promise<void> {
    const row = await this.#desk.message(chat, id);
    this.#checkOwn(row);
    if (row.base?.type !== "message" || isPending(row.order)) throw notAllowed("the message cannot be edited");
    const { body } = row.base;
    if (body.kind !== "text" && !("caption" in body)) throw notAllowed("there is no text in the message");
    await this.#about(chat, row, { kind: "edit", of: id, text, mentions, ...(link && { link }) });
  }

  async react(chat: ChatId, id: MessageId, emoji: string | null): Promise<void> {
    await this.#about(chat, await this.#present(chat, id), { kind: "reaction", of: id, emoji });
  }

  async vote(chat: ChatId, poll: MessageId, choices: number[]): Promise<void> {
    const row = await this.#present(chat, poll);
    const content = contentOf(row);
    const isFit = content.kind === "poll" && choices.every((choice) => choice < content.choices.length);
    if (!isFit || (choices.length > 1 && !content.several)) throw notAllowed("there is no such choice");
    await this.#about(chat, row, { kind: "vote", of: poll, choices });
  }

  async deleteForEveryone(chat: ChatId, ids: MessageId[]): Promise<void> {
    for (const id of ids) await this.#deleteOne(chat, id);
  }

  async forward(from: ChatId, ids: MessageId[], to: ChatId[]): Promise<void> {
    const rows = await Promise.all(ids.map((id) => this.#present(from, id)));
    for (const chat of to) {
      for (const row of rows.sort((one, other) => (one.order < other.order ? -1 : 1))) {
        const body = bodyOf(contentOf(row));
        const { reply: _, ...saying } = await this.#sayingFor(chat, undefined);
        await this.#uploads.refer(body, saying.lifeS);
        await this.#sayMessage(chat, body, { ...saying, forwarded: row.author !== this.#desk.own || isForwarded(row) });
      }
    }
  }

  async setDisappearing(chat: ChatId, lifeS: number | null): Promise<void> {
    await this.#desk.chat(chat);
    await this.#desk.say(chat, { kind: "disappearing", lifeS }, {}, async (ledger, stamp) => {
      ledger.chat.disappearing = { ...stamp, value: lifeS };
      const change = { type: "disappearing", by: this.#desk.own, lifeS } as const;
      const row = await ledger.row(stamp.id);
      ledger.put(place(row, stamp.order, this.#desk.now(), { type: "system", change }));
    });
  }

  async #sayMessage(chat: ChatId, body: MessageBody, saying: Saying, also?: (batch: Batch) => void): Promise<MessageId> {
    return this.#desk.say(chat, body, saying, async (ledger, { order, id }) => {
      also?.(ledger.batch);
      const { reply, forwarded = false, lifeS } = saying;
      const base = { type: "message", body, forwarded, ...(reply && { reply }) } as const;
      // What was shown while its file was uploaded gives way.
      if (also) await ledger.remove(id);
      ledger.put(place(newRow(chat, id), order, this.#desk.now(), base, lifeS));
    });
  }

  async #about(chat: ChatId, row: Row, annotation: Annotation, saying: Saying = {}): Promise<void> {
    const about = { ...this.#desk.lifeFor(row), ...saying };
    await this.#desk.say(chat, annotation, about, async (ledger: Ledger, stamp) => {
      ledger.put(annotate(await ledger.row(row.id), this.#desk.own, stamp, annotation));
      ledger.batch.put("chats", postedKey(chat, stamp.id), row.id);
    });
  }

  async #deleteOne(chat: ChatId, id: MessageId): Promise<void> {
    const row = await this.#desk.message(chat, id);
    if (row.author !== this.#desk.own) return this.#moderate(chat, row);
    if (!isPending(row.order)) {
      // Nobody would follow it.
      const isLate = isPastRetraction({ at: row.atMs, order: row.order }, this.#desk.retractionWithinS(), this.#desk.now());
      if (isLate) throw notAllowed("it is too late to delete this for everyone");
      return this.#about(chat, row, { kind: "retraction", of: id }, { retracts: row.order });
    }
    if (await this.#uploads.drop(chat, id)) return this.#desk.change(chat, (ledger) => ledger.remove(id));
    const { conversations } = this.#desk.context;
    const isBack = await conversations.exclusive(chat, () => conversations.withdraw(chat, id));
    if (!isBack && row.error === undefined) throw notAllowed("the message is on its way");
    await this.#desk.change(chat, (ledger) => ledger.remove(id));
  }

  // XEP-0425: the room announces it, and that is what all devices follow.
  async #moderate(chat: ChatId, row: Row): Promise<void> {
    const { members, kind, encryption } = await this.#desk.chat(chat);
    const isRoom = kind !== "direct" || encryption !== "open";
    if (!isRoom || !isAdmin(members[this.#desk.own])) throw notAllowed("others' messages are deleted by admins");
    const retract = xml("retract", { xmlns: "urn:xmpp:message-retract:1" });
    const moderate = xml("moderate", { xmlns: "urn:xmpp:message-moderate:1", id: row.order }, retract);
    await this.#desk.context.xmpp.iq("set", `${chat}@${this.#desk.context.self.groups}`, moderate);
  }

  async #sayingFor(chat: ChatId, reply: MessageId | undefined): Promise<Saying> {
    const row = await this.#desk.context.store.get<ChatRow>("chats", chatKey(chat));
    if (row?.hasLeft) throw notAllowed("the account is not in this group any more");
    const saying: Saying = { id: newMessageId(this.#desk.own) };
    const lifeS = row?.disappearing?.value ?? (await this.#beginDisappearing(chat, row));
    if (lifeS !== null) saying.lifeS = lifeS;
    if (reply !== undefined) saying.reply = await this.#quote(chat, reply);
    return saying;
  }

  // The user's default holds for conversations of two that begin here.
  async #beginDisappearing(chat: ChatId, row: ChatRow | undefined): Promise<number | null> {
    const lifeS = this.#desk.settings.current.disappearingS;
    const isNew = row?.kind === "direct" && row.disappearing === undefined && row.last === undefined;
    if (lifeS === null || !isNew) return null;
    await this.setDisappearing(chat, lifeS);
    return lifeS;
  }

  async #quote(chat: ChatId, id: MessageId): Promise<Quote> {
    const { kind, text } = previewOf(await this.#present(chat, id));
    if (!isMessageKind(kind)) throw notAllowed("there is nothing to answer");
    return { id, preview: { kind, text } };
  }

  async #present(chat: ChatId, id: MessageId): Promise<Row> {
    const row = await this.#desk.message(chat, id);
    if (isGone(row) || row.isHidden) throw new Refusal("not-found", "the message is deleted");
    return row;
  }

  #checkOwn(row: Row): void {
    if (row.author !== this.#desk.own) throw notAllowed("it is somebody else's message");
  }
}

function isFileContent(content: Draft["content"]): content is FileContent {
  return "file" in content && content.file instanceof Blob;
}

function bodyOf(content: Draft["content"] | Content): MessageBody {
  switch (content.kind) {
    case "text":
      return { kind: "text", text: content.text, mentions: content.mentions ?? [], ...(content.link && { link: content.link }) };
    case "poll":
      return { kind: "poll", question: content.question, choices: content.choices, several: content.several };
    case "location":
    case "contact":
      return content;
    case "sticker":
      if (!(content.file instanceof Blob)) return { kind: "sticker", file: content.file, caption: "", width: content.width, height: content.height };
      throw notAllowed("the file is not uploaded");
    case "system":
    case "deleted":
    case "unreadable":
      throw notAllowed("there is nothing to be sent");
    default:
      if (content.file instanceof Blob) throw notAllowed("the file is not uploaded");
      return content as MessageBody;
  }
}

function isForwarded(row: Row): boolean {
  return row.base?.type === "message" && row.base.forwarded;
}

function notAllowed(detail: string): Refusal {
  return new Refusal("not-allowed", detail);
}
