// The user's settings and own profile: the same on all own devices.

import { xml } from "@xmpp/client";
import { NS } from "../conversations/log-entry";
import { CHAT } from "../chats/keys";
import type { ChatRow } from "../chats/chat-row";
import type { Desk } from "../chats/desk";
import type { OwnLog } from "../chats/own-log";
import type { Presences } from "../contacts/presences";
import type { Media } from "../media/media";
import type { Profile } from "../content/envelope";
import type { Part } from "../parts";
import type { ProfileChange, Settings } from "../protocol";
import { Refusal } from "../refusal";

type Names = "settings" | "setSettings" | "setProfile";

export class SettingsPart implements Part<Names> {
  readonly #desk: Desk;
  readonly #ownLog: OwnLog;
  readonly #presences: Presences;
  readonly #media: Media | undefined;

  constructor(desk: Desk, ownLog: OwnLog, presences: Presences, media: Media | undefined) {
    this.#desk = desk;
    this.#ownLog = ownLog;
    this.#presences = presences;
    this.#media = media;
  }

  readonly commands: Part<Names>["commands"] = {
    settings: () => this.#desk.settings.current,
    setSettings: (change) => this.#set(change),
    setProfile: (change) => this.#setProfile(change),
  };

  async #set(change: Partial<Settings>): Promise<void> {
    // What the server must do for it comes first: what it does not do is not so.
    if (change.discoverable !== undefined) {
      const to = change.discoverable ? "everybody" : "nobody";
      await this.#desk.context.xmpp.iq("set", undefined, xml("visibility", { xmlns: LOOKUP, to }));
    }
    if (change.addable !== undefined) {
      // Of contacts the server knows those in the roster.
      if (change.addable === "contacts") await this.#presences.keepAll();
      await this.#desk.context.xmpp.iq("set", undefined, xml("addable", { xmlns: NS.groups, by: change.addable }));
    }
    if (change.lastSeen !== undefined) await this.#presences.narrow(change.lastSeen);
    await this.#ownLog.say({ kind: "settings", set: change });
    if (change.lastSeen !== undefined) await this.#presences.askAll();
    if (change.avatarAudience !== undefined) void this.#spread().catch(() => undefined);
  }

  async #setProfile({ name, about, avatar }: ProfileChange): Promise<void> {
    const before = (await this.#desk.ownProfile()) ?? { name: "", about: "", avatar: null };
    const profile: Profile = { ...before };
    if (name !== undefined) profile.name = name;
    if (about !== undefined) profile.about = about;
    if (avatar !== undefined) profile.avatar = avatar && (await this.#upload(avatar));
    await this.#ownLog.sayProfile(profile);
    // Others learn it one by one; who writes first is told with the message.
    void this.#spread().catch(() => undefined);
  }

  async #upload(avatar: Blob): Promise<Profile["avatar"]> {
    if (!this.#media) throw new Refusal("not-allowed", "pictures cannot be sent");
    return this.#media.upload(avatar, { name: "", type: avatar.type || "image/jpeg" });
  }

  async #spread(): Promise<void> {
    const rows = await this.#desk.context.store.range<ChatRow>("chats", { prefix: [CHAT] });
    const chats = rows.map(({ value }) => value).filter((chat) => chat.kind !== "self" && !chat.hasLeft && chat.last);
    chats.sort((one, other) => (other.last?.atMs ?? 0) - (one.last?.atMs ?? 0));
    const since = this.#desk.now() - TOLD_WITHIN_MS;
    for (const chat of chats.filter(({ last }) => (last?.atMs ?? 0) >= since).slice(0, TOLD_MAX)) {
      if (await this.#desk.owesProfile(chat)) await this.#desk.say(chat.id, { kind: "profile" }, {}, async () => undefined);
    }
  }
}

const LOOKUP = "urn:whimbrel:contact-lookup:0";
/** Conversations that are told of a new profile at once: the newest of the last 90 days. */
const TOLD_MAX = 200;
const TOLD_WITHIN_MS = 90 * 86_400_000;
