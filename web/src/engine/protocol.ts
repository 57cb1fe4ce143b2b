// What the page and the engine say to one another. The engine runs in a worker and owns all that is
// durable: keys, groups, messages, the stream to the server. The page holds what is on screen.
//
// All of it can be cloned (no functions, no classes). Times are milliseconds since 1970.

/** An account's id: the local part of its JID, `k7qm2xw4p9ab`. */
export type AccountId = string;
/** A conversation's id: the local part of its room's JID. Each conversation is a room, those of two too. */
export type ChatId = string;
/** A message's id, given by the device that sends it: the origin-id (XEP-0359). It begins with the
 *  author's account and a full stop. */
export type MessageId = string;
/** Where a message stands in its room's log: the room's stanza-id, 16 hexadecimal digits, or, before
 *  the server has it, "~" and a counter, which sorts behind. */
export type Order = string;

/** What the page calls. Each call is answered, or refused by an {@link EngineError}. */
export interface Commands {
  // The account
  /** Asks for a one-time code. @returns the number in E.164, and how long the code holds. */
  requestCode(number: string): { number: string; digits: number; expiresInS: number };
  /** Registers this device by the code; a PIN only where `pin-needed` was answered. */
  register(number: string, code: string, pin?: string): { created: boolean };
  /** Registers this device by the link that another one shows. */
  registerByLink(link: string): { created: boolean };
  /** A link for a further device of this account: shown as a QR code. */
  createLink(): { link: string; expiresInS: number };
  setPin(pin: string | null): void;
  changeNumber(number: string, code: string, tellContacts: boolean): void;
  devices(): Device[];
  revokeDevice(id: string): void;
  /** Ends all other devices' tokens. */
  signOutEverywhere(): void;
  /** Ends this device's token and removes all that is kept here. */
  signOut(): void;
  deleteAccount(): void;
  setProfile(profile: ProfileChange): void;
  settings(): Settings;
  setSettings(change: Partial<Settings>): void;

  /** What is kept in this browser, by what it is for. */
  storageUse(): StorageUse;

  // Backups
  backup(): BackupState;
  /** Has them made each day, on this server. With a password, or `null`: by 64 digits, which are answered this once. */
  turnOnBackup(password: string | null): { digits: string | null };
  /** Deletes what is on the server too. */
  turnOffBackup(): void;
  /** @returns once it is on the server. */
  backUp(): void;
  /** As a file for the user to keep. Where backups are off, `digits` open it. */
  backupFile(): { file: Blob; digits: string | null };
  /** What the server has of this account. */
  findBackup(): FoundBackup | null;
  /** Takes one in: a file, or `null`: the server's. Refused by `backup-key-wrong`, `no-backup-password` (too many tries),
   *  `backup-other-account`, `backup-other-key`, `backup-digits`, `backup-broken`. */
  restoreBackup(from: Blob | null, by: BackupOpener): void;

  // The lock of this browser
  /** Sets a passphrase, or another one. Where there is one, `current` opens the lock. */
  setLock(passphrase: string, current?: LockSecret): void;
  /** Has a passkey open the lock too, or no more. */
  setLockPasskey(passkey: LockPasskey | null, current: LockSecret): void;
  /** Locks by itself after so many minutes without the user; `null`: not while the app is open. */
  setLockAfter(minutes: number | null): void;
  removeLock(current: LockSecret): void;
  /** In all tabs, at once. */
  lock(): void;
  /** Refused by `lock-wrong`; `retryAfterS`: earlier tries are not looked at. */
  unlock(by: LockSecret): void;
  /** The user is there. */
  stayOpen(): void;
  /** Whether somebody looks at one of the pages may have changed. */
  attention(): void;
  /** Where nobody knows what opens it: removes all that is kept here. */
  forgetLocked(): void;

  // Chats
  chats(): Chat[];
  /** Sets what only the own devices know of a chat. */
  setChat(chat: ChatId, change: Partial<ChatMarks>): void;
  /** The conversation of two, or of one's own notes, is made with the first message. With somebody who has no
   *  device that takes encrypted messages it is an open one. */
  openDirect(account: AccountId): Chat;
  /** A page of messages, oldest first: the newest ones, those before or after `from`, or those where the unread begin. */
  messages(chat: ChatId, from?: { before?: Order; after?: Order; around?: MessageId; unread?: true }, count?: number): Page;
  /** Removes the chat's messages from the own devices. */
  clearChat(chat: ChatId): void;
  /** Nothing for no words; said when somebody is about to search, it makes the first search quick. */
  search(words: string, chat?: ChatId): Hit[];
  media(chat: ChatId): Message[];
  starred(): Message[];

  // Messages
  /** @returns once it is kept on this device; it leaves when the server can be reached. */
  send(chat: ChatId, draft: Draft): MessageId;
  edit(chat: ChatId, id: MessageId, text: string, mentions?: AccountId[], link?: LinkPreview): void;
  /** One reaction of an account to a message; `null` takes it back. */
  react(chat: ChatId, id: MessageId, emoji: string | null): void;
  deleteForMe(chat: ChatId, ids: MessageId[]): void;
  deleteForEveryone(chat: ChatId, ids: MessageId[]): void;
  forward(from: ChatId, ids: MessageId[], to: ChatId[]): void;
  star(chat: ChatId, id: MessageId, starred: boolean): void;
  vote(chat: ChatId, poll: MessageId, choices: number[]): void;
  retry(chat: ChatId, id: MessageId): void;
  /** What the user has seen: up to this message. */
  markRead(chat: ChatId, upTo: Order): void;
  typing(chat: ChatId, state: "typing" | "recording" | "paused"): void;
  messageInfo(chat: ChatId, id: MessageId): Receipt[];
  /** How long messages of this chat last; `null`: for ever. */
  setDisappearing(chat: ChatId, lifeS: number | null): void;

  // Notifications
  /** The key by which push services know the server (RFC 8292), in URL-safe base64. */
  pushKey(): string;
  /** Has this browser told by its push service, again where that was said before. */
  subscribePush(subscription: PushSubscriptionKeys): void;
  /** This browser is not told any more. */
  unsubscribePush(): void;
  /** The server may have something for this device. @returns once all of it has come. */
  catchUp(): void;

  // Media
  /** A URL that the service worker answers, with ranges, from what it fetches and decrypts. */
  fileUrl(file: FileRef): string;
  /** Those that are not done. */
  uploads(): Upload[];
  cancelUpload(id: MessageId): void;
  pauseUpload(id: MessageId, paused: boolean): void;
  /** What the server finds at an address; `null` where there is nothing to show. It asks that site, so the
   *  page calls this only if the user wants previews. */
  linkPreview(url: string): FoundLink | null;

  /** The user's own, the newest first. */
  stickers(): Sticker[];
  keepSticker(sticker: Sticker, kept: boolean): void;
  /** Uploads one, and keeps it. */
  makeSticker(image: Blob, width: number, height: number): Sticker;

  // Groups
  createGroup(group: GroupDraft): { chat: Chat; absent: Member[]; invitations: Invitation[] };
  group(chat: ChatId): Group;
  editGroup(chat: ChatId, change: GroupChange): void;
  addMembers(chat: ChatId, members: NewMember[]): { absent: Member[]; invitations: Invitation[] };
  removeMember(chat: ChatId, account: AccountId): void;
  setAffiliation(chat: ChatId, account: AccountId, affiliation: Affiliation): void;
  createInvitation(chat: ChatId, options: { uses?: number; lifeS?: number }): Invitation;
  revokeInvitation(chat: ChatId, token: string): void;
  joinByInvitation(uri: string): Chat | "waiting";
  joinRequests(chat: ChatId): { account: AccountId; since: number }[];
  decideRequest(chat: ChatId, account: AccountId, approve: boolean): void;
  leaveGroup(chat: ChatId): void;

  // Calls (docs/protocol/calls.md)
  /** Those that last in the user's chats. */
  calls(): Call[];
  /** Begins one, or comes into the one that lasts. Said again it restores connections by new offers. */
  joinCall(chat: ChatId, join: CallOffer): CallAnswer;
  leaveCall(chat: ChatId): void;
  /** The user does not come: it rings on none of the own devices any more. */
  declineCall(chat: ChatId): void;
  /** What the others are told of this device. */
  setOwnInCall(chat: ChatId, change: { published?: Partial<CallPublished>; hand?: boolean }): void;
  /** What this device wants to see. */
  viewCall(chat: ChatId, view: CallView): void;
  /** For admins: asks somebody to be silent. */
  muteInCall(chat: ChatId, participant: string): void;
  /** For admins: has somebody out, who does not come in again. */
  removeFromCall(chat: ChatId, participant: string): void;
  /** What frames are sealed with now; the event `call-keys` tells of the next. Refused by `not-encrypted` in an open chat. */
  callKeys(chat: ChatId): CallKeys;

  // People
  contacts(): Contact[];
  /** Those of the numbers that have an account here. */
  lookUp(numbers: string[]): Contact[];
  contact(account: AccountId): Contact;
  /** The user has been told that the contact's key is another one. */
  noteKeyChange(account: AccountId): void;
  setContact(account: AccountId, change: { name?: string; verified?: boolean }): void;
  block(account: AccountId, blocked: boolean): void;
  /** @param disclosed messages of `chat` that the server's operator is to see */
  report(account: AccountId, reason: "spam" | "abuse", report: { disclosed: MessageId[]; chat?: ChatId; block: boolean }): void;
  /** Another key for the account, where no device is at hand that has the one before: contacts are told. */
  beginKeysAnew(): void;
  /** 60 digits that both sides compare, and the bytes of the QR code. */
  safetyNumber(account: AccountId): { digits: string; qr: Uint8Array };
}

/** What the engine says unasked. */
export type EngineEvent =
  | { type: "state"; state: EngineState }
  /** A chat is new or has changed. */
  | { type: "chat"; chat: Chat }
  | { type: "chat-removed"; chat: ChatId }
  /** Messages are new or have changed; those that went are in `removed`. */
  | { type: "messages"; chat: ChatId; messages: Message[]; removed: MessageId[] }
  | { type: "typing"; chat: ChatId; account: AccountId; state: "typing" | "recording" | "paused" }
  | { type: "presence"; account: AccountId; online: boolean; lastSeen?: number }
  | { type: "contact"; contact: Contact }
  | { type: "group"; group: Group }
  /** Somebody asks this account's user, who is an admin, to be let in. */
  | { type: "join-request"; chat: ChatId; account: AccountId }
  | ({ type: "upload" } & Upload)
  | { type: "settings"; settings: Settings }
  | { type: "backup"; backup: BackupState }
  /** Something came that the user may want to be called for. */
  | { type: "notice"; notice: Notice }
  /** Somebody's account key is another than before: shown loudly. */
  | { type: "key-changed"; account: AccountId }
  /** A call has begun or changed. */
  | { type: "call"; call: Call }
  /** None lasts in this chat any more. */
  | { type: "call-ended"; chat: ChatId }
  /** This device is in the call no more. */
  | { type: "call-left"; chat: ChatId; reason: "ended" | "unanswered" | "elsewhere" | "removed" | "lost" }
  /** What each slot of this device shows now, in their order. */
  | { type: "call-slots"; chat: ChatId; slots: (CallShown | null)[] }
  /** Who speaks, the loudest first. */
  | { type: "call-speakers"; chat: ChatId; speakers: string[] }
  | { type: "call-quality"; chat: ChatId; participant: string; quality: CallQuality }
  /** Which encodings of an own picture anybody watches; bit 0 is the smallest. */
  | { type: "call-demand"; chat: ChatId; source: CallSource; encodings: number }
  /** An admin asks the user to be silent. */
  | { type: "call-mute"; chat: ChatId; by: AccountId }
  | { type: "call-keys"; chat: ChatId; keys: CallKeys }
  /** The endpoint has begun anew: connections to it are made again. */
  | { type: "call-rejoin"; chat: ChatId };

/** Where the engine stands. */
export interface EngineState {
  /** `retractionWithinS`: how long own messages can be deleted for everyone; for ever where it is missing. */
  account: null | { id: AccountId; jid: string; number: string; name: string; avatar?: FileRef; hasPin: boolean; device: string; retractionWithinS?: number };
  connection: "offline" | "connecting" | "catching-up" | "online";
  /** This page's engine, or another tab's that it asks. */
  tab: "writer" | "follower";
  /** Set where the store cannot be written: nothing is sent until there is room. */
  full: boolean;
  /** Messages that come over from another of the own devices, or go there. */
  history: HistoryProgress | null;
  /** The server's time less this device's, where its clock is wrong: what ends at a moment ends by the server's. */
  clockAheadMs?: number;
  /** The server carries calls. */
  calls?: boolean;
  /** The account's key does not vouch for this device: it takes part in no sealed conversation. */
  unvouched?: boolean;
  /** Missing where the app has no lock. While it is locked there is no account, and nothing else is answered. */
  lock?: LockState;
}

/** `fraction` from 0 to 1. */
export interface BackupState {
  on: null | { by: "digits" | "password"; madeAt: number | null; bytes: number | null };
  progress: null | { role: "making" | "restoring"; fraction: number };
}
/** `tries`: at the password, before it opens nothing any more. */
export interface FoundBackup { madeAt: number; bytes: number; by: "digits" | "password"; tries?: number }
export type BackupOpener = { digits: string } | { password: string };

/** In bytes. */
export interface StorageUse { messages: number; search: number; files: number; other: number }

export interface LockState {
  isLocked: boolean;
  afterMin: number | null;
  /** The passkey that opens it: its id, and what its secret is asked for (WebAuthn, `prf`). */
  passkey?: { id: Uint8Array; salt: Uint8Array };
}

/** What opens the lock: the passphrase, or the secret of 32 bytes that the passkey gives. */
export type LockSecret = { passphrase: string } | { passkey: Uint8Array };
export interface LockPasskey { id: Uint8Array; salt: Uint8Array; secret: Uint8Array }

/** `total` is 0 while the other device has not answered. */
export interface HistoryProgress { role: "giving" | "taking"; done: number; total: number }

/** Why a call was refused. `name` is for programs: a problem of the account API, a condition of XMPP,
 *  or one of `offline`, `full`, `locked`, `not-found`, `not-allowed`, `internal`. */
export interface EngineError {
  name: string;
  detail: string;
  retryAfterS?: number;
}

export interface Device { id: string; name: string; createdAt: number; seenAt: number; isThis: boolean; isCertified: boolean }
export interface ProfileChange { name?: string; about?: string; avatar?: Blob | null }

export interface Settings {
  readReceipts: boolean;
  lastSeen: Audience;
  avatarAudience: Audience;
  /** Who may add the user to groups; others have an invitation to send. The server keeps to it. */
  addable: Audience;
  discoverable: boolean;
  disappearingS: number | null;
  /** `null`: the user has not been asked, and nothing is looked up. */
  linkPreviews: boolean | null;
  notifications: { sounds: boolean; previews: boolean; doNotDisturbUntil: number | null };
}
export type Audience = "everybody" | "contacts" | "nobody";

/** What only the own devices know of a chat, and agree on through the group of the account's own devices. */
export interface ChatMarks {
  pinned: boolean;
  archived: boolean;
  mutedUntil: number | null;
  /** In a muted group mentions call nobody either. */
  mentionsMuted: boolean;
  markedUnread: boolean;
  draft: string;
  /** Names of the palette, or #rrggbb. */
  ownColour: string | null;
  otherColour: string | null;
  wallpaper: string | null;
}

export interface Chat extends ChatMarks {
  id: ChatId;
  kind: "direct" | "group" | "self";
  /** Of two: the other side. */
  peer?: AccountId;
  name: string;
  avatar?: FileRef;
  /** Sorted by this, newest first, pinned ones before. */
  changedAt: number;
  last?: { author: AccountId; isOwn: boolean; preview: Preview; at: number; status: Status };
  unread: number;
  mentions: number;
  disappearingS: number | null;
  /** May this account write here? */
  canPost: boolean;
  /** Gone from it, or it has ended: readable only. */
  hasLeft: boolean;
  /** Not end-to-end encrypted, from its birth to its end: with people who use other XMPP clients. */
  isOpen: boolean;
  /** An open one of two whose other side takes encrypted messages by now: `openDirect` gives that conversation. */
  canEncrypt?: boolean;
}

/** A call in a chat. */
export interface Call {
  chat: ChatId;
  id: string;
  startedAt: number;
  by: AccountId;
  isVideo: boolean;
  /** It rings: here, or where the user calls. */
  rings: "here" | "there" | null;
  participants: CallParticipant[];
}

export interface CallParticipant {
  /** The endpoint's name for it. */
  id: string;
  account: AccountId;
  isThis: boolean;
  published: CallPublished;
  /** When it raised its hand. */
  handAt?: number;
}

export type CallSource = "microphone" | "camera" | "screen";
export type CallPublished = Record<CallSource, "on" | "muted" | "off">;
/** Session descriptions of the connection that sends and of the one that receives. */
export interface CallOffer { publish?: string; subscribe?: string; isVideo: boolean; published: CallPublished }
export interface CallAnswer { publish?: string; subscribe?: string; call: Call }
export interface CallShown { participant: string; source: CallSource }
/** `encodingMax`: 0 is the smallest picture. */
export interface CallView { pinned: (CallShown & { encodingMax?: number })[]; others: boolean; othersEncodingMax?: number }
export interface CallQuality { class: "good" | "fair" | "poor"; reason?: "loss-up" | "loss-down" | "round-trip" | "bandwidth" }

/** Secrets of a group's epoch for frames of calls (RFC 9605, 5.2). */
export interface CallKeys {
  epoch: number;
  baseKey: Uint8Array<ArrayBuffer>;
  /** This device's place in the group, and whose the others are. */
  leaf: number;
  accounts: Record<number, AccountId>;
  /** A few emoji that are the same on all devices which have the same keys. */
  code: string[];
}

/** What the user may want to be called for: not muted, not before a "do not disturb" ends. */
export interface Notice {
  chat: ChatId;
  /** What the conversation is called; of a group, who says it stands in `author`. */
  name: string;
  kind: "direct" | "group";
  /** Of the conversation. */
  avatar?: FileRef;
  /** A message, or a reaction to one's own. */
  message: MessageId;
  order: Order;
  at: number;
  author: { account: AccountId; name: string };
  /** Missing where words and pictures are not to be shown. */
  content?: { preview: Preview; picture?: FileRef };
  reaction?: string;
  isMention: boolean;
  /** The user wants no sounds. */
  isSilent: boolean;
}

/** What a browser gives for its push service (W3C Push API): keys in URL-safe base64. */
export interface PushSubscriptionKeys { endpoint: string; p256dh: string; auth: string }

export type Status = "sending" | "failed" | "sent" | "delivered" | "read";

/** One line of a message; words for the kinds are the page's. */
export interface Preview { kind: Content["kind"] | "deleted"; text: string }

export interface Message {
  id: MessageId;
  chat: ChatId;
  order: Order;
  author: AccountId;
  isOwn: boolean;
  at: number;
  status: Status;
  content: Content;
  reply?: { id: MessageId; author: AccountId; preview: Preview };
  forwarded: boolean;
  editedAt?: number;
  reactions: { emoji: string; accounts: AccountId[] }[];
  starred: boolean;
  expiresAt?: number;
  error?: EngineError;
}

export type Content =
  | { kind: "text"; text: string; mentions: AccountId[]; link?: LinkPreview }
  | { kind: "photo" | "film" | "gif" | "sticker"; file: FileRef; caption: string; width: number; height: number; durationMs?: number }
  /** Of the waveform: heights from 0 to 1. */
  | { kind: "voice"; file: FileRef; durationMs: number; waveform: number[] }
  | { kind: "document"; file: FileRef; caption: string }
  | { kind: "poll"; question: string; choices: string[]; several: boolean; votes: { account: AccountId; choices: number[] }[] }
  | { kind: "location"; latitude: number; longitude: number; name: string }
  | { kind: "contact"; name: string; numbers: string[]; account?: AccountId }
  /** Something that happened to the conversation. */
  | { kind: "system"; change: SystemChange }
  | { kind: "deleted"; by: "author" | "admin" | "operator" }
  /** Sealed for an epoch that this device is not in, or nonsense; or of a newer version of the app. */
  | { kind: "unreadable"; isNewer?: boolean };

export type SystemChange =
  | { type: "created" | "left" | "ended" | "joined-by-link"; by: AccountId }
  | { type: "added" | "removed"; by: AccountId; accounts: AccountId[] }
  | { type: "affiliated"; by: AccountId; account: AccountId; affiliation: Affiliation }
  | { type: "named"; by: AccountId; name: string }
  | { type: "described" | "icon" | "permissions"; by: AccountId }
  | { type: "disappearing"; by: AccountId; lifeS: number | null }
  | { type: "key-changed"; account: AccountId }
  /** A call of this chat; it lasts still where `ending` is missing. */
  | { type: "call"; by: AccountId; isVideo: boolean; lengthS: number; ending?: CallEnding };

/** XEP-0166 7.4. `success`: somebody has come. */
export type CallEnding = "success" | "timeout" | "cancel" | "decline" | "busy";

/** `picture`: a JPEG or WebP of at most 32 KiB, drawn by the author's app; it travels inside the message. */
export interface LinkPreview { url: string; title: string; text: string; picture?: Uint8Array }
/** `image` is as the site gave it, up to 2 MiB: the page draws the `picture` of a {@link LinkPreview} from it. */
export interface FoundLink { url: string; title: string; text: string; image?: Blob }

/** An encrypted file: where it is, and what opens it. */
export interface FileRef {
  /** BLAKE3 of the ciphertext, 64 hexadecimal digits: `/media/<digest>`. Empty while it is not uploaded. */
  digest: string;
  /** AES-256-GCM, 32 bytes. */
  key: Uint8Array;
  /** Of the plaintext. */
  bytes: number;
  type: string;
  name: string;
  /** A small JPEG or WebP, at most 4 KiB. */
  thumbnail?: Uint8Array;
  /** In an open conversation: where it lies for anybody who knows the address. Digest and key are empty. */
  url?: string;
}

export interface Sticker { file: FileRef; width: number; height: number }

/** How far a message's file is with the server. */
export interface Upload { id: MessageId; sentBytes: number; bytes: number; paused: boolean }

/** What the user wants to send. Files are given as they are; the engine encrypts and uploads. */
export interface Draft {
  content:
    | { kind: "text"; text: string; mentions?: AccountId[]; link?: LinkPreview }
    | { kind: "photo" | "film" | "gif" | "sticker"; file: Blob; name: string; caption: string; width: number; height: number; durationMs?: number; thumbnail?: Uint8Array }
    /** One of the user's own, uploaded already. */
    | ({ kind: "sticker"; caption: string } & Sticker)
    | { kind: "voice"; file: Blob; durationMs: number; waveform: number[] }
    | { kind: "document"; file: Blob; name: string; caption: string }
    | { kind: "poll"; question: string; choices: string[]; several: boolean }
    | { kind: "location"; latitude: number; longitude: number; name: string }
    | { kind: "contact"; name: string; numbers: string[]; account?: AccountId };
  reply?: MessageId;
}

export interface Page {
  messages: Message[];
  hasOlder: boolean;
  hasNewer: boolean;
  /** Where it was asked for, and anything is unread: the first of them. */
  unreadFrom?: Order;
}
export interface Hit { message: Message; chatName: string }
export interface Receipt { account: AccountId; deliveredAt?: number; readAt?: number }

export type Affiliation = "owner" | "admin" | "member";
export interface Member { account: AccountId; affiliation: Affiliation }
export type NewMember = { account: AccountId } | { number: string };
export interface Permissions { post: "everyone" | "admins"; add: "everyone" | "admins"; edit: "everyone" | "admins"; requests: boolean }
export interface GroupDraft { name: string; description: string; icon?: Blob; members: NewMember[]; permissions?: Partial<Permissions>;
  /** For members with other XMPP clients, or for more than 256: not encrypted, for good. */
  isOpen?: boolean;
}
export interface GroupChange { name?: string; description?: string; icon?: Blob | null; permissions?: Partial<Permissions> }
export interface Group {
  chat: ChatId;
  name: string;
  description: string;
  icon?: FileRef;
  permissions: Permissions;
  members: Member[];
  own: Affiliation | null;
  invitations: Invitation[];
}
export interface Invitation {
  uri: string;
  token: string;
  /** For whom it is, if for somebody who could not be added. */
  number?: string;
  account?: AccountId;
  uses?: number;
  expiresAt?: number;
  /** Admins decide on each who comes by it. */
  approve?: true;
}

export interface Contact {
  account: AccountId;
  /** The name that the user gave, or that the contact has given itself, or the number; empty where none is known. */
  name: string;
  number?: string;
  about?: string;
  avatar?: FileRef;
  blocked: boolean;
  verified: boolean;
  /** It was verified and has another key since: the user has not been told by {@link Commands.noteKeyChange}. */
  keyChanged?: true;
  /** Whether there are devices that can take encrypted messages. */
  encrypted: boolean;
}
