// Open groups: what the server knows of them, which is all of it (docs/protocol/groups.md). Members come and
// go by requests of the room, without a commit.

import { isAdmin, type ChatRow } from "../chats/chat-row";
import type { Desk } from "../chats/desk";
import type { Contacts } from "../contacts/contacts";
import { directChat } from "../conversations/direct";
import type { AccountId, ChatId, GroupChange, GroupDraft, Invitation, Member, NewMember } from "../protocol";
import { Refusal } from "../refusal";
import type { Requests, RoomState } from "./requests";

type Added = { absent: Member[]; invitations: Invitation[] };

export class OpenGroups {
  readonly #desk: Desk;
  readonly #contacts: Contacts;
  readonly #requests: Requests;

  constructor(desk: Desk, contacts: Contacts, requests: Requests) {
    this.#desk = desk;
    this.#contacts = contacts;
    this.#requests = requests;
  }

  async create({ name, description, permissions = {} }: GroupDraft): Promise<ChatId> {
    const chat = await this.#requests.createOpen(name, description, permissions);
    const { own } = this.#desk;
    await this.#desk.change(chat, async (ledger) => {
      const look = { name: { order: "", value: name }, description: { order: "", value: description } };
      const set = { kind: "group", encryption: "open", members: { [own]: "owner" }, look } as const;
      ledger.chat = { ...ledger.chat, ...set, permissions: { ...ledger.chat.permissions, ...permissions } };
    });
    await this.introduce(chat);
    return chat;
  }

  /** Others see the name that this account has. Where it is another's there it stays without. */
  async introduce(chat: ChatId): Promise<void> {
    const profile = await this.#desk.ownProfile();
    if (profile?.name) await this.#requests.nick(chat, profile.name).catch(unlessUnknown);
  }

  async add(chat: ChatId, members: NewMember[]): Promise<Added> {
    const numbers = members.flatMap((member) => ("number" in member ? [member.number] : []));
    // Those who are found have their number kept, by which they are called until they say their name.
    if (numbers.length > 0) await this.#contacts.lookUp(numbers);
    const wanted = members.filter((member) => !("account" in member) || member.account !== this.#desk.own);
    const { absent, invitations } = wanted.length > 0 ? await this.#requests.add(chat, wanted) : { absent: [], invitations: [] };
    return { absent: absent.map((account) => ({ account, affiliation: "member" as const })), invitations };
  }

  remove(chat: ChatId, account: AccountId): Promise<void> {
    return this.#requests.remove(chat, account);
  }

  async edit(chat: ChatId, row: ChatRow, { name, description, icon, permissions }: GroupChange): Promise<void> {
    if (row.permissions.edit === "admins" && !isAdmin(row.members[this.#desk.own])) throw new Refusal("not-allowed", "admins change this group");
    if (icon !== undefined) throw new Refusal("not-allowed", "open groups have no picture here");
    await this.#requests.edit(chat, { ...(name !== undefined && { name }), ...(description !== undefined && { description }), ...(permissions && { permissions }) });
  }

  /** What the server says of a group that is not known to be encrypted. */
  async learn(chat: ChatId, state: RoomState): Promise<void> {
    const { own, domain } = this.#desk;
    const peers = Object.keys(state.members).filter((account) => account !== own);
    // The address of a conversation of two is kept for what is encrypted.
    const isOfTwo = (await Promise.all(peers.slice(0, 2).map((peer) => directChat(domain, own, peer)))).includes(chat);
    await this.#desk.change(chat, async (ledger) => {
      ledger.chat.encryption ??= state.isOpen && !isOfTwo ? "open" : "sealed";
      if (ledger.chat.encryption !== "open") return;
      const { name, description } = ledger.chat.look;
      const look = {
        name: name ?? { order: "", value: state.name },
        description: description ?? { order: "", value: state.description },
      };
      ledger.chat = { ...ledger.chat, kind: "group", look };
    });
  }
}

function unlessUnknown(error: unknown): void {
  if (!(error instanceof Refusal)) throw error;
}
