// Where the parts of the chats meet: changes of a conversation, one step at a time, and what is said in
// it by this device.

import type { Context } from "../parts";
import type { AccountId, Chat, ChatId, EngineEvent, MessageId, Order } from "../protocol";
import { Refusal } from "../refusal";
import { contactView, known, profileKey, Profiles, personKey, type Known, type Person } from "../contacts/people";
import { calls, encodeEnvelope, isMessage, isQuiet, newMessageId, type Body, type Envelope, type Profile } from "../content/envelope";
import { FieldError } from "../content/fields";
import { LIFE_S_MIN } from "../content/limits";
import type { Later, Row, Stamp } from "../content/row";
import type { Index } from "../search/index";
import type { SettingsBook } from "../settings/settings";
import type { Batch, Reader } from "../store/store";
import { chatView, type ChatRow } from "./chat-row";
import type { ContentsContext } from "./contents";
import { chatKey } from "./keys";
import { Ledger } from "./ledger";

/** What is said beside its kind. */
export type Saying = Partial<Pick<Envelope, "reply" | "forwarded" | "lifeS">> & {
  id?: MessageId;
  /** The own one; otherwise it goes along where the conversation does not know it. */
  profile?: Profile;
  /** Outside, where it differs from what stands inside. */
  serverLifeS?: number;
  retracts?: Order;
};

type Notice = Parameters<ContentsContext["noticed"]>;

export class Desk implements ContentsContext {
  readonly context: Context;
  readonly index: Index;
  readonly settings: SettingsBook;
  readonly profiles = new Profiles();
  /** Set by those who want to know. */
  onNotice: (...notice: Notice) => void = () => undefined;
  /** The own one, as it was last told of. */
  profile: Profile = { name: "", about: "", avatar: null };
  readonly #people = new Map<AccountId, Known>();
  #pending = 0;

  constructor(context: Context, index: Index, settings: SettingsBook) {
    this.context = context;
    this.index = index;
    this.settings = settings;
  }

  get own(): AccountId {
    return this.context.self.account;
  }

  get device(): string {
    return this.context.self.device;
  }

  get domain(): string {
    return this.context.self.domain;
  }

  retractionWithinS(): number | undefined {
    return this.context.retractionWithinS?.();
  }

  now(): number {
    return this.context.now();
  }

  showsReads(): boolean {
    return this.settings.current.readReceipts;
  }

  noticed(...notice: Notice): void {
    this.onNotice(...notice);
  }

  /** @throws Refusal `not-found` */
  async chat(id: ChatId, reader: Reader = this.context.store): Promise<ChatRow> {
    const chat = await reader.get<ChatRow>("chats", chatKey(id));
    if (!chat) throw new Refusal("not-found", "there is no such chat");
    return chat;
  }

  /** @throws Refusal `not-found` */
  async message(chat: ChatId, id: MessageId): Promise<Row> {
    const row = await this.context.store.message<Row>(chat, id);
    if (!row) throw new Refusal("not-found", "there is no such message");
    return row.value;
  }

  async chatView(chat: ChatRow, reader: Reader): Promise<Chat> {
    const around = { own: this.own, showsReads: this.showsReads() };
    if (chat.peer === undefined) return chatView(chat, around);
    const other = await this.person(chat.peer, reader);
    const { name, avatar } = contactView(chat.peer, other);
    return chatView(chat, { ...around, peer: { name, blocked: other.isBlocked, encrypted: other.isEncrypted, ...(avatar && { avatar }) } });
  }

  async chatEvent(chat: ChatRow, reader: Reader): Promise<EngineEvent> {
    return { type: "chat", chat: await this.chatView(chat, reader) };
  }

  /** All that is known of an account. Each message of a chat asks it. */
  async person(account: AccountId, reader: Reader): Promise<Known> {
    const cached = this.#people.get(account);
    if (cached) return cached;
    const person = await known(reader, account);
    if (this.#people.size >= PEOPLE_CACHED_MAX) this.#people.clear();
    this.#people.set(account, person);
    return person;
  }

  /** What is known of an account has changed, or will have. */
  async contactEvent(account: AccountId, reader: Reader): Promise<EngineEvent> {
    this.#people.delete(account);
    if (account === this.own) await this.loadProfile(reader);
    return { type: "contact", contact: contactView(account, await this.person(account, reader)) };
  }

  /** Changes what is kept of a chat, in one batch. */
  change(chat: ChatId, task: (ledger: Ledger) => Promise<void>): Promise<void> {
    return this.context.conversations.exclusive(chat, async () => {
      const batch = this.context.store.batch();
      const ledger = await Ledger.open(batch, chat, this.now(), this);
      await task(ledger);
      const events = await ledger.close();
      await batch.commit();
      events.forEach((event) => this.context.say(event));
    });
  }

  /** Says something in a chat. It is shown at once, and leaves when it can.
   *  @param shown what changes here, in the same batch */
  say(chat: ChatId, body: Body, saying: Saying, shown: (ledger: Ledger, stamp: Stamp) => Promise<void>): Promise<MessageId> {
    return this.context.conversations.exclusive(chat, () => this.sayWithin(chat, body, saying, shown));
  }

  /** The same, for those who have the chat for themselves. */
  async sayWithin(
    chat: ChatId,
    body: Body,
    { id = newMessageId(this.own), serverLifeS, retracts, profile: said, ...rest }: Saying,
    shown: (ledger: Ledger, stamp: Stamp) => Promise<void>,
  ): Promise<MessageId> {
    const known = await this.context.store.get<ChatRow>("chats", chatKey(chat));
    const isOpen = known?.encryption === "open";
    const profile = isOpen ? undefined : (said ?? (await this.#profileFor(known, body)));
    const whole: Envelope = { id, body, forwarded: false, ...rest, ...(profile && { profile }) };
    const isPlainFile = isMessage(body) && "file" in body && body.file.url !== undefined;
    if (isPlainFile && !isOpen) throw new Refusal("not-allowed", "open files do not go into encrypted conversations");
    const envelope = isOpen ? checked(whole) : encoded(whole);
    const lifeS = serverLifeS ?? rest.lifeS;
    const events: EngineEvent[] = [];
    const rows = async (batch: Batch) => {
      const ledger = await Ledger.open(batch, chat, this.now(), this);
      if (profile) ledger.chat.profileTold = nameOfProfile(profile);
      await shown(ledger, { order: this.pendingOrder(), id });
      events.push(...(await ledger.close()));
    };
    await this.context.conversations.post(chat, {
      id, envelope, lasts: "log", rows,
      ...(lifeS !== undefined && { lifeS }), ...(retracts !== undefined && { retracts }),
      ...(!calls(body, this.own, known?.kind) && { isQuiet: true }),
    });
    events.forEach((event) => this.context.say(event));
    return id;
  }

  /** Behind all that waits. */
  pendingOrder(): Order {
    const counter = (this.#pending++ % 0x10000).toString(16).padStart(4, "0");
    return `~${this.now().toString(16).padStart(11, "0")}${counter}`;
  }

  /** What is said about a message lasts as long as the message. */
  lifeFor(row: Row): Pick<Saying, "lifeS"> {
    if (row.expiresAtMs === undefined) return {};
    return { lifeS: Math.max(LIFE_S_MIN, Math.ceil((row.expiresAtMs - this.now()) / 1000)) };
  }

  async ownProfile(reader: Reader = this.context.store): Promise<Profile | undefined> {
    return (await reader.get<Later<Profile>>("contacts", profileKey(this.own)))?.value;
  }

  async loadProfile(reader: Reader = this.context.store): Promise<void> {
    this.profile = (await this.ownProfile(reader)) ?? this.profile;
  }

  /** The conversation knows another profile, or none. */
  async owesProfile(chat: ChatRow): Promise<boolean> {
    return (await this.#profileFor(chat, { kind: "profile" })) !== undefined;
  }

  /** The own profile, where the conversation does not know it as it is now. */
  async #profileFor(chat: ChatRow | undefined, body: Body): Promise<Profile | undefined> {
    if (chat?.kind === "self" || (isQuiet(body) && body.kind !== "profile")) return undefined;
    const profile = await this.ownProfile();
    if (!profile) return undefined;
    const shown = (await this.#showsAvatar(chat)) ? profile : { ...profile, avatar: null };
    return nameOfProfile(shown) === chat?.profileTold ? undefined : shown;
  }

  async #showsAvatar(chat: ChatRow | undefined): Promise<boolean> {
    const audience = this.settings.current.avatarAudience;
    if (audience !== "contacts") return audience === "everybody";
    if (chat?.peer === undefined) return false;
    const person = await this.context.store.get<Person>("contacts", personKey(chat.peer));
    return person?.name !== undefined || person?.number !== undefined;
  }
}

/** Two profiles of one name are the same. */
export function nameOfProfile({ name, about, avatar }: Profile): string {
  return JSON.stringify([name, about, avatar?.digest ?? null]);
}

/** Open ones have the limits of sealed ones; only their files are others. */
function checked(envelope: Envelope): Envelope {
  const { body } = envelope;
  if (body.kind === "poll") throw new Refusal("not-allowed", "other XMPP clients know no polls");
  if (isMessage(body) && "file" in body && body.file.url === undefined) throw new Refusal("not-allowed", "encrypted files do not go into open conversations");
  if (!("file" in body)) encoded(envelope);
  return envelope;
}

function encoded(envelope: Envelope): Uint8Array {
  try {
    return encodeEnvelope(envelope);
  } catch (error) {
    if (error instanceof FieldError) throw new Refusal("too-large", `${error.field} is beyond its limit`, { cause: error });
    throw error;
  }
}

const PEOPLE_CACHED_MAX = 2_000;
