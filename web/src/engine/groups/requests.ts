// urn:whimbrel:groups:0 (docs/protocol/groups.md): what is asked of a group's room, and what it answers.

import { xml, type Element } from "@xmpp/client";
import { affiliationOf, readPermissions } from "../conversations/log-entry";
import { cutText, isAccountId } from "../content/fields";
import { DESCRIPTION_BYTES_MAX, NAME_BYTES_MAX } from "../content/limits";
import type { Self, Xmpp } from "../parts";
import type { AccountId, Affiliation, ChatId, Invitation, NewMember, Permissions } from "../protocol";
import { Refusal } from "../refusal";

export interface RoomState {
  members: Record<AccountId, Affiliation>;
  permissions: Permissions;
  isOpen: boolean;
  /** Of an open one; encrypted ones say theirs sealed. */
  name: string;
  description: string;
}

export class Requests {
  readonly #xmpp: Xmpp;
  readonly #self: Self;

  constructor(xmpp: Xmpp, self: Self) {
    this.#xmpp = xmpp;
    this.#self = self;
  }

  /** An encrypted group of the own account alone. What it is called is sealed: the server is not told. */
  async create(permissions: Partial<Permissions>): Promise<ChatId> {
    const payload = element("create", { kind: "encrypted" }, xml("permissions", attributesOf(permissions)));
    const answer = await this.#xmpp.iq("set", this.#self.groups, payload);
    return this.#chatOf(answer?.attrs["jid"]);
  }

  /** An open group of the own account alone. */
  async createOpen(name: string, description: string, permissions: Partial<Permissions>): Promise<ChatId> {
    const payload = element("create", {}, ...named({ name, description }), xml("permissions", attributesOf(permissions)));
    const answer = await this.#xmpp.iq("set", this.#self.groups, payload);
    return this.#chatOf(answer?.attrs["jid"]);
  }

  /** @returns links for numbers without an account and for those who do not let the user add them, and who cannot be added */
  async add(chat: ChatId, members: NewMember[]): Promise<{ absent: AccountId[]; invitations: Invitation[] }> {
    const asked = members.map((member) => xml("member", "account" in member ? { jid: this.#jidOf(member.account) } : { number: member.number }));
    const answer = await this.#ask("set", chat, element("add", {}, ...asked));
    const absent = (answer?.getChildren("absent") ?? []).flatMap(({ attrs }) => this.accountOf(attrs["jid"]) ?? []);
    return { absent, invitations: this.#invitationsIn(answer) };
  }

  async remove(chat: ChatId, account: AccountId): Promise<void> {
    await this.#ask("set", chat, element("remove", {}, xml("member", { jid: this.#jidOf(account) })));
  }

  async edit(chat: ChatId, { permissions, ...texts }: { name?: string; description?: string; permissions?: Partial<Permissions> }): Promise<void> {
    await this.#ask("set", chat, element("edit", {}, ...named(texts), ...(permissions ? [xml("permissions", attributesOf(permissions))] : [])));
  }

  async nick(chat: ChatId, name: string): Promise<void> {
    await this.#ask("set", chat, xml("nick", { xmlns: GROUPS }, name));
  }

  async show(chat: ChatId): Promise<RoomState> {
    const group = await this.#ask("get", chat, element("group"));
    const members: Record<AccountId, Affiliation> = {};
    for (const { attrs } of (group?.getChildren("member") ?? []).slice(0, MEMBERS_MAX)) {
      const account = this.accountOf(attrs["jid"]);
      const affiliation = affiliationOf(attrs["affiliation"]);
      if (account !== undefined && affiliation) members[account] = affiliation;
    }
    const permissions = group?.getChild("permissions");
    return {
      members,
      permissions: { ...CLOSED, ...(permissions && readPermissions(permissions)) },
      isOpen: group !== undefined && group.attrs["kind"] !== "encrypted",
      name: cutText(group?.getChildText("name") ?? "", NAME_BYTES_MAX),
      description: cutText(group?.getChildText("description") ?? "", DESCRIPTION_BYTES_MAX),
    };
  }

  async affiliate(chat: ChatId, account: AccountId, affiliation: Affiliation): Promise<void> {
    await this.#ask("set", chat, element("affiliate", { affiliation }, xml("member", { jid: this.#jidOf(account) })));
  }

  async permit(chat: ChatId, permissions: Partial<Permissions>): Promise<void> {
    await this.#ask("set", chat, element("edit", {}, xml("permissions", attributesOf(permissions))));
  }

  async link(chat: ChatId, { uses, lifeS }: { uses?: number; lifeS?: number }): Promise<Invitation> {
    const asked = element("invite", { uses, life: lifeS });
    const [invitation] = this.#invitationsIn(await this.#ask("set", chat, asked));
    if (!invitation) throw new Refusal("internal", "the server made a link without a token");
    return invitation;
  }

  async links(chat: ChatId): Promise<Invitation[]> {
    const invitations = this.#invitationsIn(await this.#ask("get", chat, element("invitations")));
    const withUri = ({ token, uri, ...rest }: Invitation) => ({ ...rest, token, uri: uri || this.#uriOf(chat, token) });
    return invitations.map(withUri);
  }

  async revoke(chat: ChatId, token: string): Promise<void> {
    await this.#ask("set", chat, element("revoke", { token }));
  }

  /** @returns whether admins decide on it. */
  async join(chat: ChatId, token: string | undefined): Promise<"in" | "waiting"> {
    const answer = await this.#ask("set", chat, element("join", { token }));
    return answer?.name === "waiting" ? "waiting" : "in";
  }

  async waiting(chat: ChatId): Promise<{ account: AccountId; since: number }[]> {
    const requests = (await this.#ask("get", chat, element("requests")))?.getChildren("request") ?? [];
    return requests.slice(0, REQUESTS_MAX).flatMap(({ attrs }) => {
      const account = this.accountOf(attrs["jid"]);
      const since = Date.parse(attrs["since"] ?? "");
      return account === undefined ? [] : [{ account, since: Number.isNaN(since) ? 0 : since }];
    });
  }

  async deny(chat: ChatId, account: AccountId): Promise<void> {
    await this.#ask("set", chat, element("deny", { jid: this.#jidOf(account) }));
  }

  async approve(chat: ChatId, account: AccountId): Promise<void> {
    await this.#ask("set", chat, element("approve", { jid: this.#jidOf(account) }));
  }

  async leave(chat: ChatId): Promise<void> {
    await this.#ask("set", chat, element("leave"));
  }

  /** `xmpp:ROOM?join;password=TOKEN`
   *  @throws Refusal `not-found` for another address */
  readUri(uri: string): { chat: ChatId; token?: string } {
    const match = /^xmpp:([^?]+)\?join(?:;password=([0-9a-f]+))?$/.exec(uri.trim());
    const chat = this.#chatOf(match?.[1]);
    const token = match?.[2];
    return token === undefined ? { chat } : { chat, token };
  }

  /** `<request/>` in a headline. */
  readRequest(stanza: Element): { chat: ChatId; account: AccountId } | undefined {
    const request = stanza.name === "message" && stanza.attrs["type"] === "headline" ? stanza.getChild("request", GROUPS) : undefined;
    const account = this.accountOf(request?.attrs["jid"]);
    const [chat = "", domain] = (stanza.attrs["from"] ?? "").split("@");
    return account !== undefined && domain === this.#self.groups && isAccountId(chat) ? { chat, account } : undefined;
  }

  accountOf(jid: string | undefined): AccountId | undefined {
    const [local, domain] = (jid ?? "").split("@");
    return domain === this.#self.domain && local !== undefined && isAccountId(local) ? local : undefined;
  }

  #ask(type: "get" | "set", chat: ChatId, payload: Element): Promise<Element | undefined> {
    return this.#xmpp.iq(type, `${chat}@${this.#self.groups}`, payload);
  }

  #chatOf(jid: string | undefined): ChatId {
    const [local, domain] = (jid ?? "").split("@");
    if (domain !== this.#self.groups || local === undefined || !isAccountId(local)) {
      throw new Refusal("not-found", "this is no group of this server");
    }
    return local;
  }

  #jidOf(account: AccountId): string {
    return `${account}@${this.#self.domain}`;
  }

  #invitationsIn(answer: Element | undefined): Invitation[] {
    const elements = answer?.name === "invitation" ? [answer] : (answer?.getChildren("invitation") ?? []);
    return elements.slice(0, INVITATIONS_MAX).flatMap(({ attrs }) => {
      const { token, uri = "", number, jid, uses, expires, approve } = attrs;
      if (token === undefined || !/^[0-9a-f]{1,64}$/.test(token)) return [];
      const account = this.accountOf(jid);
      const expiresAt = Date.parse(expires ?? "");
      const invitation: Invitation = { token, uri };
      if (number !== undefined) invitation.number = number;
      if (account !== undefined) invitation.account = account;
      if (uses !== undefined && Number.isSafeInteger(Number(uses))) invitation.uses = Number(uses);
      if (!Number.isNaN(expiresAt)) invitation.expiresAt = expiresAt;
      if (approve !== undefined) invitation.approve = true;
      return [invitation];
    });
  }

  #uriOf(chat: ChatId, token: string): string {
    return `xmpp:${chat}@${this.#self.groups}?join;password=${token}`;
  }
}

function element(name: string, attributes: Parameters<typeof xml>[1] = {}, ...children: Element[]): Element {
  return xml(name, { xmlns: GROUPS, ...attributes }, ...children);
}

function named(texts: { name?: string; description?: string }): Element[] {
  return Object.entries(texts).map(([name, text]) => xml(name, {}, text));
}

function attributesOf({ post, add, edit, requests }: Partial<Permissions>) {
  return { post, add, edit, requests: requests === undefined ? undefined : String(requests) };
}

const GROUPS = "urn:whimbrel:groups:0";
const MEMBERS_MAX = 1_024;
const REQUESTS_MAX = 256;
const INVITATIONS_MAX = 256;
/** What holds where a group does not say. */
const CLOSED: Permissions = { post: "everyone", add: "admins", edit: "everyone", requests: false };
