// What the engine's parts are to one another. `engine.ts` builds them and joins them; each part gets
// the context, gives its commands, and takes what arrives.

import type { Element } from "@xmpp/client";
import type { AccountId, Affiliation, CallKeys, ChatId, Commands, EngineError, EngineEvent, MessageId, Order, Permissions } from "./protocol";
import type { Envelope } from "./content/envelope";
import type { LogEntry, LoggedCall } from "./conversations/log-entry";
import type { OpenMessage } from "./open/message";
import type { Answer, CommandName } from "./rpc";
import type { Batch, Store } from "./store/store";

/** What a part works with. There is one from log-in to sign-out. */
export interface Context {
  readonly store: Store;
  readonly self: Self;
  readonly xmpp: Xmpp;
  readonly conversations: Conversations;
  /** Tells the pages, once what it tells of is kept. */
  say(event: EngineEvent): void;
  /** Milliseconds since 1970. */
  now(): number;
  /** In seconds; for ever where it is missing. See `content/retraction.ts`. */
  retractionWithinS?(): number | undefined;
  /** Only to catch up and to say what is asked for, with nobody looking on: in the service worker. */
  readonly isBrief?: boolean;
}

/** Who this device is. */
export interface Self {
  readonly account: AccountId;
  readonly device: string;
  /** `example.org`; an account's JID is `ID@example.org`. */
  readonly domain: string;
  /** `groups.example.org`; a conversation's room is `CHAT@groups.example.org`. */
  readonly groups: string;
}

/** The stream to the server. */
export interface Xmpp {
  /** @returns the result's one child, if it has one.
   *  @throws {StanzaRefused} by the other side, {Refusal} `offline`. `to` is the own account where it is left out. */
  iq(type: "get" | "set", to: string | undefined, payload: Element): Promise<Element | undefined>;
  /** Sends a message or a presence, if there is a stream: what must arrive goes by {@link Conversations.post}. */
  send(stanza: Element): Promise<void>;
}

/** Some commands, and what a part does with what arrives. */
export interface Part<N extends CommandName> {
  commands: Handlers<N>;
  /** A stanza that is no entry of a room's log, and not the answer to an IQ.
   *  @returns whether it was one for this part. */
  receive?(stanza: Element): Promise<boolean>;
  /** After each log-in; `isResumed`: the server has lost nothing of what it was told before. */
  online?(isResumed: boolean): Promise<void>;
}

export type Handler<N extends CommandName> = (...args: Parameters<Commands[N]>) => Promise<Answer<N>> | Answer<N>;
export type Handlers<N extends CommandName> = { [K in N]: Handler<K> };

/** Conversations: each a room (docs/protocol/groups.md, docs/protocol/mls.md), but for open ones of two, which
 *  lie in the account's own archive. */
export interface Conversations {
  /** Runs a task while nothing else concerns this chat. Do not wait for one within another. */
  exclusive<T>(chat: ChatId, task: () => Promise<T>): Promise<T>;
  /** Keeps something to be sent, and what goes with it, in one batch. It leaves behind what was
   *  posted to this chat before, when the server can be reached. For use within {@link exclusive}. */
  post(chat: ChatId, post: Post): Promise<void>;
  /** Sends again what failed, behind all that waits. For use within {@link exclusive}. */
  retry(chat: ChatId, id: MessageId): Promise<void>;
  /** Takes back what has not left. @returns whether there was such. For use within {@link exclusive}. */
  withdraw(chat: ChatId, id: MessageId): Promise<boolean>;
  /** The conversation of the own account with itself, in which its devices meet: made when it is first needed. */
  own(): Promise<ChatId>;
  /** The conversation of two; its room and group are made when the first message leaves. */
  direct(peer: AccountId): Promise<ChatId>;
  /** Comes into the chat's group, which is made where there is none. Outside of {@link exclusive}.
   *  @throws {Refusal} */
  enter(chat: ChatId): Promise<void>;
  /** Makes the group of a room that this account has just made, or adds and removes members: room and
   *  group change together. Outside of {@link exclusive}.
   *  @returns those who are not added. */
  change(chat: ChatId, add: AccountId[], remove: AccountId[]): Promise<Changed>;
}

/** Of those who were to come in: who did not. */
export interface Changed {
  /** They have no device that can take sealed messages. */
  absent: AccountId[];
  /** They do not let this account add them: they come by a link. */
  reserved: AccountId[];
}

export interface Post {
  /** Drawn at random: the origin-id, by which the server knows a repetition. */
  id: MessageId;
  /** What stands inside the encryption; of an open conversation, what the stanza says. */
  envelope: Uint8Array | Envelope;
  /** `log`: everybody gets it, in order, whenever that is. `passing`: who is there now, if we are (typing). */
  lasts: "log" | "passing";
  /** XEP-0466, outside: the server forgets it after so many seconds. */
  lifeS?: number;
  /** XEP-0424, outside: the server forgets the author's message of this order too. */
  retracts?: Order;
  /** Outside: nobody need be called for it. */
  isQuiet?: true;
  /** What the log of the chat shows from now on, `~` being the order of what waits. */
  rows?(batch: Batch): Promise<void> | void;
}

/** The MLS side of conversations: engine/sealed. What it needs of the server it asks by
 *  {@link Xmpp.iq}; what is in the log comes by `take`, in order. */
export interface Sealed {
  /** Takes an entry of the log: founding, commit, sealed message; and what passes. The group's state goes into the
   *  batch. What a peer did wrong never makes it throw. Called within {@link Conversations.exclusive}. */
  take(entry: LogEntry, batch: Batch): Promise<Taken>;
  /** Seals for the chat's group. The state goes into the batch, which is kept before the message
   *  leaves. Called within {@link Conversations.exclusive}.
   *  @returns nothing where this device is not in the group (yet, or any more): then `enter` is called. */
  seal(chat: ChatId, bytes: Uint8Array, batch: Batch): Promise<Uint8Array | undefined>;
  /** Does what it takes to be in the chat's group: founds it (of two: `peer`), has the devices of its members
   *  in, joins it by an external commit. Called outside of `exclusive`; what it commits comes by
   *  `take` too, before or after the answer. Ends once `seal` can be tried again.
   *  @throws {Refusal} */
  enter(chat: ChatId, peer?: AccountId): Promise<void>;
  /** Changes members, and their leaves with them, in one commit, again where another was first.
   *  Called outside of `exclusive`. @returns those who are not added.
   *  @throws {Refusal} */
  change(chat: ChatId, add: AccountId[], remove: AccountId[]): Promise<Changed>;
  /** The account's key vouches for this device; without that it takes part in nothing. */
  isVouched(): boolean;
  /** Gives the account another key, which vouches for this device alone. */
  beginAnew(): Promise<void>;
  /** A member has left: leaves of its devices are to go. */
  memberLeft(chat: ChatId): void;
  /** What the chat's group gives frames of a call now. Outside of {@link Conversations.exclusive}.
   *  @throws {Refusal} `not-encrypted` where this device is in no group of the chat */
  callKeys(chat: ChatId): Promise<CallKeys>;
  /** No timer runs any more. */
  close(): void;
  /** A batch was not kept: what it held of this chat never was. */
  drop(chat: ChatId): void;
  /** Joins the groups of the account that this device is not in. */
  enterAll(): Promise<void>;
  /** Leaves the account's key for a device that is to be linked. @returns the secret that opens it. */
  share(): Promise<string>;
  /** Own devices were revoked: nothing is sealed for them any more. */
  withdraw(devices: string[]): Promise<void>;
  safetyNumber(account: AccountId): Promise<{ digits: string; qr: Uint8Array }>;
  /** Devices that the own account's key vouches for. */
  certifiedDevices(): Promise<ReadonlySet<string>>;
  /** After each log-in: key packages, the device list. */
  online(): Promise<void>;
  /** A stanza that is no entry of a log: `<stock-low/>`, device lists. @returns whether it was one. */
  receive(stanza: Element): Promise<boolean>;
}

export type Taken =
  /** By another device, which may be of the own account. */
  | { kind: "opened"; bytes: Uint8Array; account: AccountId; device: string }
  /** This device sealed it. */
  | { kind: "own" }
  | { kind: "unreadable" }
  /** A founding, a commit. `isIn`: this device can seal. */
  | { kind: "followed"; isIn: boolean; keyChanged: AccountId[] };

/** What makes messages of what arrives: engine/content and engine/chats. */
export interface Contents {
  /** Something in a chat's log, in the log's order, or something passing. Rows go into the batch, with which
   *  the group's state and the place in the log are kept; reading goes by `batch` too, since it
   *  may hold what arrived just before.
   *  What this device has sent comes back like all others: its order is known from then on. A bad
   *  envelope becomes `unreadable`; it is no reason to throw.
   *  @returns what is said once the batch is kept. */
  apply(arrival: Arrival, batch: Batch): Promise<EngineEvent[]>;
  /** What was posted is refused for good, or is tried again (no error). */
  failed(chat: ChatId, id: MessageId, error: EngineError | undefined, batch: Batch): Promise<EngineEvent[]>;
}

export interface Arrival {
  chat: ChatId;
  /** Empty for what is passing. */
  order: Order;
  /** When the server took it, in milliseconds since 1970. */
  at: number;
  /** Who says it: by MLS where it is sealed, else by the server. Missing where it is the room itself. */
  author?: AccountId;
  device?: string;
  /** The origin-id. */
  id?: MessageId;
  /** Of an open conversation of two: the other side. */
  peer?: AccountId;
  what: What;
}

export type What =
  /** `retracts`: the author has the server forget this one; what it says to people is inside. */
  | { kind: "sealed"; envelope: Uint8Array; retracts?: Order; lifeS?: number }
  | { kind: "unreadable" }
  /** Of an open conversation: as its stanza says it, or, by this device, as it was posted. */
  | { kind: "open"; said: OpenMessage }
  | { kind: "said"; envelope: Envelope }
  /** The author, a contact, has another number (docs/protocol/accounts.md). */
  | { kind: "renumbered"; number: string }
  | { kind: "call"; call: LoggedCall }
  /** A business's answer that is typed as such: not encrypted, and shown so. */
  | { kind: "automatic"; text: string }
  /** The server has taken it out of the log; what its author wrote inside, if anything, comes apart. */
  | { kind: "forgotten"; target: Order; by: "author" | "admin" | "operator" }
  /** These accounts have other keys than before. */
  | { kind: "keys"; accounts: AccountId[] }
  /** By docs/protocol/groups.md `<change/>`; `by` is the arrival's author. */
  | { kind: "changed"; changes: RoomChange[] };

export type RoomChange =
  | { type: "created" | "destroyed" }
  | { type: "left"; account: AccountId }
  | { type: "added"; account: AccountId; affiliation: Affiliation }
  | { type: "joined"; account: AccountId }
  | { type: "removed"; account: AccountId }
  | { type: "affiliated"; account: AccountId; affiliation: Affiliation }
  | { type: "named"; name: string }
  | { type: "described"; description: string }
  | { type: "icon" }
  | { type: "permissions"; permissions: Partial<Permissions> };
