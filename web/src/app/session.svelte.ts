// What the page knows of the account, fed by the engine: its state, chats, contacts, and who does what now.
import { SvelteMap } from "svelte/reactivity";
import type { Engine } from "../engine/rpc";
import type { AccountId, Call, Chat, ChatId, Commands, Contact, EngineError, EngineEvent, EngineState, FileRef, Group, MessageId, ProfileChange, Settings, Upload } from "../engine/protocol";

export type Doing = "typing" | "recording";

/** Who types is forgotten after this: the word that they stopped may be lost. */
const TYPING_LASTS_MS = 12_000;

const EVENTS: EngineEvent["type"][] = ["state", "chat", "chat-removed", "messages", "typing", "presence", "contact", "group", "upload", "settings", "backup", "notice", "join-request", "key-changed", "call", "call-ended", "call-left", "call-slots", "call-speakers", "call-quality", "call-demand", "call-mute", "call-keys", "call-rejoin"];

export class Session {
  readonly chats = new SvelteMap<ChatId, Chat>();
  readonly contacts = new SvelteMap<AccountId, Contact>();
  readonly groups = new SvelteMap<ChatId, Group>();
  readonly typing = new SvelteMap<ChatId, ReadonlyMap<AccountId, Doing>>();
  readonly presence = new SvelteMap<AccountId, { online: boolean; lastSeen?: number }>();
  readonly uploads = new SvelteMap<MessageId, Upload>();
  /** Those that last. */
  readonly calls = new SvelteMap<ChatId, Call>();
  state: EngineState | null = $state.raw(null);
  settings: Settings | null = $state.raw(null);
  /** The chats have been asked for and have come. */
  loaded = $state(false);

  readonly #engine: Engine;
  readonly #hearers = new Set<(event: EngineEvent) => void>();
  readonly #urls = new Map<string, Promise<string>>();
  readonly #typingEnds = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #asked = new Set<AccountId>();
  #loadedFor: AccountId | null = null;
  #ownName = "";
  #nameless = "";

  constructor(engine: Engine) {
    this.#engine = engine;
    for (const type of EVENTS) engine.on(type, (event) => this.#take(event));
    this.#enter(engine.state);
  }

  call<Name extends keyof Commands>(name: Name, ...given: Parameters<Commands[Name]>): Promise<ReturnType<Commands[Name]>> {
    return this.#engine.call(name, ...given);
  }

  /** For screens that follow something themselves. @returns what ends it. */
  listen(hear: (event: EngineEvent) => void): () => void {
    this.#hearers.add(hear);
    return () => this.#hearers.delete(hear);
  }

  get account(): NonNullable<EngineState["account"]> | null {
    return this.state?.account ?? null;
  }

  /** Milliseconds since 1970, by the server: by that mutes and quiet hours end on all devices. */
  now(): number {
    return Date.now() + (this.state?.clockAheadMs ?? 0);
  }

  isOwn(account: AccountId): boolean {
    return account === this.account?.id;
  }

  /** The name of an account as it is known here, or its number. */
  nameOf(account: AccountId): string {
    if (this.isOwn(account)) return this.account?.name || this.account?.number || this.#nameless;
    const contact = this.contacts.get(account);
    if (!contact) void this.#know(account);
    return contact?.name ?? this.#nameless;
  }

  /** What is said in the chosen language for somebody of whom neither name nor number is known: ids are for machines. */
  set nameless(word: string) {
    const isNameless = (name: string) => name === "" || name === this.#nameless;
    const accounts = [...this.contacts.values()].filter(({ name }) => isNameless(name));
    const chats = [...this.chats.values()].filter(({ name, peer }) => peer !== undefined && isNameless(name));
    this.#nameless = word;
    for (const contact of accounts) this.contacts.set(contact.account, { ...contact, name: word });
    for (const chat of chats) this.chats.set(chat.id, { ...chat, name: word });
  }

  /** What lies behind an uploaded file. Asked for once a page. */
  fileUrl(file: FileRef): Promise<string> {
    const known = file.digest ? this.#urls.get(file.digest) : undefined;
    if (known) return known;
    const url = this.call("fileUrl", file);
    if (file.digest) this.#urls.set(file.digest, url);
    url.catch(() => this.#urls.delete(file.digest));
    return url;
  }

  async group(chat: ChatId): Promise<Group> {
    const group = await this.call("group", chat);
    this.groups.set(chat, group);
    return group;
  }

  /** A change of a chat's marks shows at once; the engine says it again. */
  async setChat(chat: ChatId, change: Parameters<Commands["setChat"]>[1]): Promise<void> {
    const before = this.chats.get(chat);
    if (before) this.chats.set(chat, { ...before, ...change });
    try {
      await this.call("setChat", chat, change);
    } catch (error) {
      if (before) this.chats.set(chat, before);
      throw error;
    }
  }

  /** The own name shows at once; the engine says it again. */
  async setProfile(change: ProfileChange): Promise<void> {
    await this.call("setProfile", change);
    this.#ownName = change.name ?? this.#ownName;
    if (this.state) this.#enter(this.state);
  }

  async setSettings(change: Partial<Settings>): Promise<void> {
    const before = this.settings;
    if (before) this.settings = { ...before, ...change };
    try {
      await this.call("setSettings", change);
    } catch (error) {
      this.settings = before;
      throw error;
    }
  }

  #take(event: EngineEvent): void {
    switch (event.type) {
      case "state":
        this.#enter(event.state);
        break;
      case "chat":
        this.chats.set(event.chat.id, this.#named(event.chat));
        break;
      case "chat-removed":
        this.chats.delete(event.chat);
        break;
      case "contact":
        this.#meet(event.contact);
        break;
      case "group":
        this.groups.set(event.group.chat, event.group);
        break;
      case "presence":
        this.presence.set(event.account, { online: event.online, lastSeen: event.lastSeen });
        break;
      case "settings":
        this.settings = event.settings;
        break;
      case "upload":
        this.#upload(event);
        break;
      case "call":
        this.calls.set(event.call.chat, event.call);
        break;
      case "call-ended":
        this.calls.delete(event.chat);
        break;
      case "typing":
        this.#type(event.chat, event.account, event.state);
        break;
      case "messages":
        for (const message of event.messages) if (!message.isOwn) this.#type(event.chat, message.author, "paused");
        break;
    }
    for (const hear of this.#hearers) hear(event);
  }

  #enter(state: EngineState): void {
    this.state = state.account && !state.account.name ? { ...state, account: { ...state.account, name: this.#ownName } } : state;
    const id = state.account?.id ?? null;
    if (id === this.#loadedFor) return;
    if (this.#loadedFor !== null) this.#ownName = "";
    this.#loadedFor = id;
    this.loaded = false;
    this.chats.clear();
    this.contacts.clear();
    this.groups.clear();
    this.#forgetPassing();
    if (id) void this.#load(id);
  }

  #forgetPassing(): void {
    this.typing.clear();
    this.presence.clear();
    this.uploads.clear();
    this.calls.clear();
    this.settings = null;
    this.#urls.clear();
    this.#asked.clear();
  }

  async #load(id: AccountId): Promise<void> {
    try {
      const [chats, contacts, settings, uploads, calls] = await Promise.all([this.call("chats"), this.call("contacts"), this.call("settings"), this.call("uploads"), this.call("calls")]);
      if (id !== this.#loadedFor) return;
      // What events brought meanwhile is newer.
      for (const chat of chats) if (!this.chats.has(chat.id)) this.chats.set(chat.id, this.#named(chat));
      for (const contact of contacts) if (!this.contacts.has(contact.account)) this.contacts.set(contact.account, { ...contact, name: contact.name || this.#nameless });
      for (const upload of uploads) if (!this.uploads.has(upload.id)) this.#upload(upload);
      for (const call of calls) if (!this.calls.has(call.chat)) this.calls.set(call.chat, call);
      this.settings ??= settings;
      this.loaded = true;
    } catch {
      this.#loadedFor = null; // the engine's next state tries again
    }
  }

  async #know(account: AccountId): Promise<void> {
    if (this.#asked.has(account)) return;
    this.#asked.add(account);
    try {
      this.#meet(await this.call("contact", account));
    } catch {
      // It stays without a name.
    }
  }

  #named(chat: Chat): Chat {
    return chat.peer !== undefined && chat.name === "" ? { ...chat, name: this.#nameless } : chat;
  }

  /** A conversation of two looks like the other one. */
  #meet(met: Contact): void {
    const contact = { ...met, name: met.name || this.#nameless };
    this.contacts.set(contact.account, contact);
    for (const [id, { avatar: _, ...chat }] of this.chats) {
      if (chat.peer !== contact.account) continue;
      this.chats.set(id, { ...chat, name: contact.name, ...(contact.avatar && { avatar: contact.avatar }) });
    }
  }

  #upload({ id, sentBytes, bytes, paused }: Upload): void {
    if (sentBytes >= bytes) this.uploads.delete(id);
    else this.uploads.set(id, { id, sentBytes, bytes, paused });
  }

  #type(chat: ChatId, account: AccountId, state: Doing | "paused"): void {
    const now = new Map(this.typing.get(chat));
    const key = `${chat} ${account}`;
    clearTimeout(this.#typingEnds.get(key));
    this.#typingEnds.delete(key);
    if (state === "paused") {
      if (!now.delete(account)) return;
    } else {
      now.set(account, state);
      this.#typingEnds.set(key, setTimeout(() => this.#type(chat, account, "paused"), TYPING_LASTS_MS));
    }
    if (now.size) this.typing.set(chat, now);
    else this.typing.delete(chat);
  }
}

export function isEngineError(error: unknown): error is EngineError {
  return typeof error === "object" && error !== null && "name" in error && "detail" in error;
}
