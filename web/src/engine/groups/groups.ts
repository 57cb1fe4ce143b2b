// Groups: made, changed, entered and left. Members come and go by commits (engine/sealed); what a group
// is called and looks like is said inside the encryption.

import type { Element } from "@xmpp/client";
import { isAdmin, type ChatRow } from "../chats/chat-row";
import type { Desk } from "../chats/desk";
import { CHAT } from "../chats/keys";
import { ofItsKind } from "../chats/room-changes";
import type { Media } from "../media/media";
import type { Contacts } from "../contacts/contacts";
import type { GroupLook } from "../content/envelope";
import { isPending, later, place, type Row } from "../content/row";
import type { Part } from "../parts";
import type { AccountId, Affiliation, Chat, ChatId, FileRef, Group, GroupChange, GroupDraft, Invitation, Member, NewMember, SystemChange } from "../protocol";
import { Refusal } from "../refusal";
import { OpenGroups } from "./open-groups";
import { Requests } from "./requests";

type Names =
  | "createGroup" | "group" | "editGroup" | "addMembers" | "removeMember" | "setAffiliation" | "createInvitation"
  | "revokeInvitation" | "joinByInvitation" | "joinRequests" | "decideRequest" | "leaveGroup";
type Added = { absent: Member[]; invitations: Invitation[] };

export class Groups implements Part<Names> {
  readonly #desk: Desk;
  readonly #contacts: Contacts;
  readonly #media: Media | undefined;
  readonly #requests: Requests;
  readonly #open: OpenGroups;
  readonly #answering = new Map<ChatId, ReturnType<typeof setTimeout>>();
  readonly #asked = new Set<ChatId>();
  readonly #askings = new Set<ReturnType<typeof setTimeout>>();
  readonly #renewed = new Set<ChatId>();

  constructor(desk: Desk, contacts: Contacts, media: Media | undefined) {
    this.#desk = desk;
    this.#contacts = contacts;
    this.#media = media;
    this.#requests = new Requests(desk.context.xmpp, desk.context.self);
    this.#open = new OpenGroups(desk, contacts, this.#requests);
  }

  readonly commands: Part<Names>["commands"] = {
    createGroup: (group) => this.#create(group),
    group: (chat) => this.#show(chat),
    editGroup: (chat, change) => this.#edit(chat, change),
    addMembers: (chat, members) => this.#add(chat, members),
    removeMember: (chat, account) => this.#remove(chat, account),
    setAffiliation: (chat, account, affiliation) => this.#affiliate(chat, account, affiliation),
    createInvitation: (chat, options) => this.#requests.link(chat, options),
    revokeInvitation: (chat, token) => this.#requests.revoke(chat, token),
    joinByInvitation: (uri) => this.#join(uri),
    joinRequests: (chat) => this.#requests.waiting(chat),
    decideRequest: (chat, account, approve) => this.#decide(chat, account, approve),
    leaveGroup: (chat) => this.#leave(chat),
  };

  /** Somebody asks what the group is called. Of all who could answer one does. */
  newcomer(chat: ChatId): void {
    clearTimeout(this.#answering.get(chat));
    const answer = () => void this.#answer(chat).catch(() => undefined);
    this.#answering.set(chat, setTimeout(answer, ANSWER_AFTER_MS));
  }

  /** Somebody asks to come in: admins who are there hear of it at once. */
  async receive(stanza: Element): Promise<boolean> {
    const request = this.#requests.readRequest(stanza);
    if (request) this.#desk.context.say({ type: "join-request", ...request });
    return request !== undefined;
  }

  close(): void {
    for (const timer of [...this.#answering.values(), ...this.#askings]) clearTimeout(timer);
  }

  /** The conversation is here, and nothing told yet whether it is encrypted. */
  async learnKind(chat: ChatId): Promise<void> {
    await this.#refresh(chat);
    const { encryption } = await this.#desk.chat(chat);
    if (encryption === "open") return this.#open.introduce(chat);
    this.#desk.noticed("receipt", chat);
    this.#askSoon(chat);
  }

  async online(): Promise<void> {
    const rows = await this.#desk.context.store.range<ChatRow>("chats", { prefix: [CHAT] });
    const unknown = rows.filter(({ value }) => value.encryption === undefined && value.kind === "group" && !value.hasLeft);
    for (const { value } of unknown) await this.learnKind(value.id);
  }

  async #create(draft: GroupDraft): Promise<{ chat: Chat } & Added> {
    const { name, description, icon, members, permissions = {} } = draft;
    if (name.trim() === "") throw new Refusal("not-allowed", "a group has a name");
    if (draft.isOpen) {
      const chat = await this.#open.create(draft);
      const added = await this.#open.add(chat, members);
      return { chat: await this.#view(chat), ...added };
    }
    const image = icon && (await this.#upload(icon));
    const chat = await this.#requests.create(permissions);
    const { own } = this.#desk;
    await this.#desk.change(chat, async (ledger) => {
      const set = { kind: "group", encryption: "sealed", members: { [own]: "owner" } } as const;
      ledger.chat = { ...ledger.chat, ...set, permissions: { ...ledger.chat.permissions, ...permissions } };
    });
    const added = await this.#bringIn(chat, members);
    // Said once the first members are in, so that they can read it.
    await this.#say(chat, { name, description, icon: image ?? null }, { type: "named", by: own, name });
    return { chat: await this.#view(chat), ...added };
  }

  async #show(chat: ChatId): Promise<Group> {
    await this.#refresh(chat);
    const row = await this.#desk.chat(chat);
    const own = row.members[this.#desk.own] ?? null;
    if (row.kind === "group" && row.encryption !== "open" && row.look.name === undefined && own) void this.#ask(chat).catch(() => undefined);
    const mayInvite = own !== null && (isAdmin(own) || row.permissions.add === "everyone");
    return groupView(row, row.hasLeft ? null : own, mayInvite ? await this.#links(chat) : []);
  }

  /** Who is in these groups, after what was told of them elsewhere. */
  async renew(chats: ChatId[]): Promise<void> {
    for (const chat of new Set(chats)) {
      const row = await this.#desk.chat(chat);
      if (row.kind === "group" && !row.hasLeft && !this.#renewed.has(chat)) await this.#refresh(chat);
      this.#renewed.add(chat);
    }
  }

  /** The account has been taken out, or the group has ended, while this device was not told. */
  async notIn(chats: ChatId[]): Promise<void> {
    for (const chat of chats) {
      await this.#desk.change(chat, async (ledger) => {
        if (ledger.chat.kind === "group") ledger.chat = { ...ledger.chat, hasLeft: true };
      });
    }
  }

  /** As the server has it; offline, as it was when it was last told. */
  async #refresh(chat: ChatId): Promise<void> {
    try {
      for (let tries = 0; tries < REFRESHED_MAX && !(await this.#takeState(chat)); tries++);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
  }

  /** @returns whether the answer was taken: not where the log has told of something newer meanwhile. */
  async #takeState(chat: ChatId): Promise<boolean> {
    const before = await this.#desk.context.conversations.exclusive(chat, async () => stateOf(await this.#desk.chat(chat)));
    const { members, permissions, ...about } = await this.#requests.show(chat);
    await this.#open.learn(chat, { members, permissions, ...about });
    let isTaken = false;
    await this.#desk.change(chat, async (ledger) => {
      isTaken = stateOf(ledger.chat) === before;
      if (isTaken) ledger.chat = await ofItsKind({ ...ledger.chat, members, permissions }, this.#desk.own, this.#desk.domain);
    });
    return isTaken;
  }

  async #links(chat: ChatId): Promise<Invitation[]> {
    return this.#requests.links(chat).catch((error: unknown) => {
      if (error instanceof Refusal) return [];
      throw error;
    });
  }

  async #edit(chat: ChatId, { name, description, icon, permissions }: GroupChange): Promise<void> {
    const row = await this.#desk.chat(chat);
    const { own } = this.#desk;
    if (row.encryption === "open") {
      await this.#open.edit(chat, row, { ...(name !== undefined && { name }), ...(description !== undefined && { description }), ...(icon !== undefined && { icon }), ...(permissions && { permissions }) });
      return this.#tell(chat);
    }
    if (row.permissions.edit === "admins" && !isAdmin(row.members[own])) throw new Refusal("not-allowed", "admins change this group");
    if (permissions) await this.#requests.permit(chat, permissions);
    if (name !== undefined) await this.#say(chat, { name }, { type: "named", by: own, name });
    if (description !== undefined) await this.#say(chat, { description }, { type: "described", by: own });
    if (icon === undefined) return this.#tell(chat);
    await this.#say(chat, { icon: icon && (await this.#upload(icon)) }, { type: "icon", by: own });
    await this.#tell(chat);
  }

  async #add(chat: ChatId, members: NewMember[]): Promise<Added> {
    if (await this.#isOpen(chat)) {
      const added = await this.#open.add(chat, members);
      await this.#tell(chat);
      return added;
    }
    const added = await this.#bringIn(chat, members);
    await this.#answer(chat, true);
    await this.#tell(chat);
    return added;
  }

  /** Accounts by a commit; by links numbers of nobody, and those who do not let the user add them. */
  async #bringIn(chat: ChatId, members: NewMember[]): Promise<Added> {
    const numbers = members.flatMap((member) => ("number" in member ? [member.number] : []));
    const found = numbers.length > 0 ? await this.#contacts.lookUp(numbers) : [];
    const accounts = members.flatMap((member) => ("account" in member ? [member.account] : []));
    const wanted = new Set([...accounts, ...found.map(({ account }) => account)]);
    wanted.delete(this.#desk.own);
    const { absent, reserved } = wanted.size > 0 ? await this.#desk.context.conversations.change(chat, [...wanted], []) : { absent: [], reserved: [] };
    const known = new Set(found.map(({ number }) => number));
    const strangers = numbers.filter((number) => !known.has(number.replace(/[^+\d]/g, "")));
    const linked = [...reserved.map((account) => ({ account })), ...strangers.map((number) => ({ number }))];
    const { invitations } = linked.length > 0 ? await this.#requests.add(chat, linked) : { invitations: [] };
    return { absent: absent.map((account) => ({ account, affiliation: "member" as const })), invitations };
  }

  async #remove(chat: ChatId, account: AccountId): Promise<void> {
    if (await this.#isOpen(chat)) await this.#open.remove(chat, account);
    else await this.#desk.context.conversations.change(chat, [], [account]);
    await this.#tell(chat);
  }

  async #affiliate(chat: ChatId, account: AccountId, affiliation: Affiliation): Promise<void> {
    await this.#requests.affiliate(chat, account, affiliation);
    await this.#tell(chat);
  }

  async #join(uri: string): Promise<Chat | "waiting"> {
    const { chat, token } = this.#requests.readUri(uri);
    if ((await this.#requests.join(chat, token)) === "waiting") return "waiting";
    await this.#desk.change(chat, async (ledger) => {
      const members = { ...ledger.chat.members, [this.#desk.own]: ledger.chat.members[this.#desk.own] ?? "member" } as const;
      ledger.chat = { ...ledger.chat, kind: "group", members, hasLeft: false };
    });
    await this.#refresh(chat);
    if (await this.#isOpen(chat)) await this.#open.introduce(chat);
    else {
      await this.#ask(chat);
      await this.#desk.say(chat, { kind: "profile" }, {}, async () => undefined);
    }
    return this.#view(chat);
  }

  async #decide(chat: ChatId, account: AccountId, approve: boolean): Promise<void> {
    if (approve) await this.#requests.approve(chat, account);
    else await this.#requests.deny(chat, account);
    await this.#tell(chat);
  }

  async #leave(chat: ChatId): Promise<void> {
    await this.#requests.leave(chat);
    await this.#desk.change(chat, async (ledger) => {
      ledger.chat = { ...ledger.chat, hasLeft: true };
    });
  }

  async #isOpen(chat: ChatId): Promise<boolean> {
    return (await this.#desk.chat(chat)).encryption === "open";
  }

  /** Whoever adds somebody tells what the group is called; whoever lets in who asked for it may not be there to tell. */
  #askSoon(chat: ChatId): void {
    const timer = setTimeout(() => void this.#askWhereNameless(chat).catch(() => undefined), ASK_AFTER_MS);
    this.#askings.add(timer);
  }

  async #askWhereNameless(chat: ChatId): Promise<void> {
    const { kind, look, hasLeft } = await this.#desk.chat(chat);
    if (kind === "group" && look.name === undefined && !hasLeft) await this.#ask(chat);
  }

  /** Sealed for a group that it is not in yet, it waits until it is. */
  async #ask(chat: ChatId): Promise<void> {
    if (this.#asked.has(chat)) return;
    this.#asked.add(chat);
    await this.#desk.say(chat, { kind: "ask" }, {}, async () => undefined);
  }

  async #answer(chat: ChatId, isAdder = false): Promise<void> {
    const row = await this.#desk.chat(chat);
    const { own } = this.#desk;
    const answering = Object.keys(row.members).filter((account) => isAdmin(row.members[account])).sort()[0];
    const { name, description, icon } = row.look;
    const orders = [name, description, icon].flatMap((kept) => kept?.order ?? []);
    const since = orders.filter((order) => !isPending(order)).sort().at(-1);
    // What waits to be sent comes to the newcomers by itself.
    if (!(isAdder || answering === own) || since === undefined) return;
    const look: Partial<GroupLook> = {
      ...(name && { name: name.value }), ...(description && { description: description.value }), ...(icon && { icon: icon.value }),
    };
    await this.#desk.say(chat, { kind: "group", ...look, since }, {}, async () => undefined);
  }

  async #say(chat: ChatId, look: Partial<GroupLook>, line: SystemChange): Promise<void> {
    await this.#desk.say(chat, { kind: "group", ...look }, {}, async (ledger, stamp) => {
      const kept = { ...ledger.chat.look };
      if (look.name !== undefined) kept.name = later(kept.name, stamp, look.name);
      if (look.description !== undefined) kept.description = later(kept.description, stamp, look.description);
      if (look.icon !== undefined) kept.icon = later(kept.icon, stamp, look.icon);
      ledger.chat = { ...ledger.chat, look: kept };
      const row: Row = await ledger.row(stamp.id);
      ledger.put(place(row, stamp.order, this.#desk.now(), { type: "system", change: line }));
    });
  }

  async #tell(chat: ChatId): Promise<void> {
    this.#desk.context.say({ type: "group", group: await this.#show(chat) });
  }

  async #view(chat: ChatId): Promise<Chat> {
    return this.#desk.chatView(await this.#desk.chat(chat), this.#desk.context.store);
  }

  async #upload(icon: Blob): Promise<FileRef> {
    if (!this.#media) throw new Refusal("not-allowed", "pictures cannot be sent");
    return this.#media.upload(icon, { name: "", type: icon.type || "image/png" });
  }
}

function groupView(row: ChatRow, own: Affiliation | null, invitations: Invitation[]): Group {
  const { name, description, icon } = row.look;
  const group: Group = {
    chat: row.id,
    name: name?.value ?? "",
    description: description?.value ?? "",
    permissions: row.permissions,
    members: Object.entries(row.members).map(([account, affiliation]) => ({ account, affiliation })),
    own,
    invitations,
  };
  if (icon?.value) group.icon = icon.value;
  return group;
}

function stateOf({ members, permissions }: ChatRow): string {
  return JSON.stringify([members, permissions]);
}

/** Each but the last time somebody else has changed the group meanwhile. */
const REFRESHED_MAX = 8;
/** Others who ask meanwhile are answered with it. */
const ANSWER_AFTER_MS = 1_000;
const ASK_AFTER_MS = 3_000;
