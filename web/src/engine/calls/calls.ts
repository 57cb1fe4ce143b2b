// Calls (docs/protocol/calls.md): which last in the account's chats, and the one that this device is in. Their
// media are the page's matter.

import { xml, type Element } from "@xmpp/client";
import { StanzaRefused } from "../connection/stanza-refused";
import { localOf } from "../conversations/log-entry";
import type { Context, Handlers, Part } from "../parts";
import type { Call, CallAnswer, CallKeys, CallOffer, CallPublished, CallView, ChatId, EngineEvent } from "../protocol";
import { Refusal } from "../refusal";
import { lastingIn } from "./lasting";
import { CALL, element, joinElement, readDescribed, readDescription, readTold, stateElement, viewElement, type Described, type Told } from "./stanzas";

type Names = "calls" | "joinCall" | "leaveCall" | "declineCall" | "setOwnInCall" | "viewCall" | "muteInCall" | "removeFromCall" | "callKeys";

export interface Surroundings {
  /** What the chat's group gives frames now.
   *  @throws {Refusal} where this device is not in the group */
  keys(chat: ChatId): Promise<CallKeys>;
  /** Those who are called know who calls. */
  introduce(chat: ChatId): Promise<void>;
  show(change: { calls: boolean }): void;
}

interface Lasting extends Described {
  /** This device's name in it, while it is in. */
  own?: string;
}

export class Calls implements Omit<Part<Names>, "receive"> {
  readonly commands: Handlers<Names>;
  readonly #context: Context;
  readonly #around: Surroundings;
  readonly #lasting = new Map<ChatId, Lasting>();
  readonly #silences = new Map<ChatId, ReturnType<typeof setTimeout>>();

  constructor(context: Context, around: Surroundings) {
    this.#context = context;
    this.#around = around;
    this.commands = {
      calls: () => [...this.#lasting].map(([chat, lasting]) => this.#view(chat, lasting)),
      joinCall: (chat, offer) => this.#join(chat, offer),
      leaveCall: (chat) => this.#leave(chat),
      declineCall: (chat) => this.#decline(chat),
      setOwnInCall: (chat, { published = {}, hand }) => this.#setOwn(chat, published, hand),
      viewCall: (chat, view) => this.#look(chat, view),
      muteInCall: (chat, participant) => this.#ask(chat, "mute", { participant, source: "microphone" }),
      removeFromCall: (chat, participant) => this.#ask(chat, "remove", { participant }),
      callKeys: (chat) => this.#keys(chat),
    };
  }

  async online(isResumed: boolean): Promise<void> {
    const { self, xmpp, store, isBrief } = this.#context;
    if (isResumed || isBrief) return;
    const info = await xmpp.iq("get", self.groups, DISCO);
    const isOffered = info?.getChildren("feature").some(({ attrs }) => attrs["var"] === CALL) === true;
    this.#around.show({ calls: isOffered });
    if (!isOffered) return;
    const known = new Set([...(await lastingIn(store)), ...this.#lasting.keys()]);
    for (const chat of known) await this.#comeBack(chat).catch(() => undefined);
  }

  /** What passes while a call lasts. @returns whether the stanza was of that kind. */
  receive(stanza: Element): boolean {
    const { self } = this.#context;
    const call = stanza.name === "message" && stanza.attrs["type"] !== "error" ? stanza.getChild("call", CALL) : undefined;
    const chat = localOf((stanza.attrs["from"] ?? "").split("/")[0], self.groups);
    if (!call || chat === undefined || stanza.getChild("stanza-id")) return false;
    const told = readTold(call, self.domain);
    if (told) this.#hear(chat, call.attrs["id"], told);
    return true;
  }

  /** The log says that one began or ended. */
  logged(chat: ChatId): void {
    void this.#refresh(chat).catch(() => undefined);
  }

  /** The chat's group is in another epoch. */
  async epochChanged(chat: ChatId): Promise<void> {
    if (this.#lasting.get(chat)?.own === undefined) return;
    const keys = await this.#around.keys(chat).catch(() => undefined);
    if (keys) this.#context.say({ type: "call-keys", chat, keys });
  }

  async #keys(chat: ChatId): Promise<CallKeys> {
    await this.#context.conversations.enter(chat);
    await this.#around.introduce(chat);
    return this.#around.keys(chat);
  }

  async #join(chat: ChatId, offer: CallOffer): Promise<CallAnswer> {
    const { self, xmpp } = this.#context;
    const joined = await xmpp.iq("set", this.#room(chat), joinElement(this.#lasting.get(chat)?.id, offer));
    const described = readDescribed(joined?.getChild("call"), self.domain);
    const own = joined?.attrs["participant"];
    if (!described || own === undefined) throw new Refusal("internal", "the server does not say what call it is");
    const [publish, subscribe] = [readDescription(joined, "publish"), readDescription(joined, "subscribe")];
    this.#keep(chat, { ...described, own });
    return { ...(publish && { publish }), ...(subscribe && { subscribe }), call: this.#view(chat, { ...described, own }) };
  }

  /** The session is another one: the call is to know where its participant is. */
  async #comeBack(chat: ChatId): Promise<void> {
    const lasting = this.#lasting.get(chat);
    if (lasting?.own === undefined) return this.#refresh(chat);
    try {
      await this.#context.xmpp.iq("set", this.#room(chat), element("join", { call: lasting.id }));
    } catch (error) {
      if (!(error instanceof StanzaRefused)) throw error;
      if (error.name === "item-not-found") return this.#end(chat);
      // The server does not have its media any more either.
      this.#context.say({ type: "call-rejoin", chat });
    }
  }

  async #leave(chat: ChatId): Promise<void> {
    const lasting = this.#lasting.get(chat);
    if (lasting?.own === undefined) return;
    this.#keep(chat, without(lasting));
    // The endpoint may have told the server already that this device is gone.
    await this.#context.xmpp.iq("set", this.#room(chat), element("leave", { call: lasting.id })).catch(unlessNotThere);
    await this.#refresh(chat);
  }

  async #decline(chat: ChatId): Promise<void> {
    this.#silence(chat);
    await this.#ask(chat, "decline", {});
  }

  async #setOwn(chat: ChatId, published: Partial<CallPublished>, hand: boolean | undefined): Promise<void> {
    await this.#context.xmpp.iq("set", this.#room(chat), stateElement(this.#there(chat).id, published, hand));
  }

  async #look(chat: ChatId, view: CallView): Promise<void> {
    await this.#context.xmpp.iq("set", this.#room(chat), viewElement(this.#there(chat).id, view));
  }

  async #ask(chat: ChatId, name: string, attributes: Record<string, string>): Promise<void> {
    await this.#context.xmpp.iq("set", this.#room(chat), element(name, { call: this.#there(chat).id, ...attributes }));
  }

  async #refresh(chat: ChatId): Promise<void> {
    const { self, xmpp } = this.#context;
    const described = readDescribed(await xmpp.iq("get", this.#room(chat), element("call")), self.domain);
    const own = this.#lasting.get(chat)?.own;
    if (!described) return this.#end(chat);
    const isIn = described.participants.some(({ id }) => id === own);
    this.#keep(chat, { ...described, ...(isIn && own !== undefined && { own }) });
  }

  #hear(chat: ChatId, id: string | undefined, told: Told): void {
    const lasting = this.#lasting.get(chat);
    if (!lasting || id !== lasting.id) return;
    const { say } = this.#context;
    switch (told.type) {
      case "changed": {
        const others = lasting.participants.filter((one) => !told.gone.includes(one.id) && !told.participants.some(({ id }) => id === one.id));
        return this.#keep(chat, { ...lasting, participants: [...others, ...told.participants] });
      }
      case "answered":
        if (told.account === this.#context.self.account) this.#silence(chat);
        else void this.#refresh(chat).catch(() => undefined);
        return;
      case "out":
        this.#keep(chat, without(lasting));
        return say({ type: "call-left", chat, reason: reasonOf(told.reason) });
      case "rejoin":
        return say({ type: "call-rejoin", chat });
      case "quality":
        if (lasting.own !== undefined) say({ type: "call-quality", chat, participant: lasting.own, quality: told.quality });
        return;
      default: {
        const { type, ...rest } = told;
        say({ type: `call-${type}`, chat, ...rest } as EngineEvent);
      }
    }
  }

  #keep(chat: ChatId, lasting: Lasting): void {
    this.#lasting.set(chat, lasting);
    clearTimeout(this.#silences.get(chat));
    if (lasting.rings) this.#silences.set(chat, setTimeout(() => this.#silence(chat), RINGS_MS_MAX));
    this.#context.say({ type: "call", call: this.#view(chat, lasting) });
  }

  #silence(chat: ChatId): void {
    const lasting = this.#lasting.get(chat);
    if (lasting?.rings) this.#keep(chat, { ...lasting, rings: false });
  }

  #end(chat: ChatId): void {
    clearTimeout(this.#silences.get(chat));
    const lasting = this.#lasting.get(chat);
    this.#lasting.delete(chat);
    if (lasting?.own !== undefined) this.#context.say({ type: "call-left", chat, reason: "ended" });
    if (lasting) this.#context.say({ type: "call-ended", chat });
  }

  #view(chat: ChatId, { own, rings, participants, ...described }: Lasting): Call {
    const { account } = this.#context.self;
    const isCalling = described.by === account && own !== undefined && participants.length === 1;
    return { ...described, chat, rings: rings ? "here" : isCalling ? "there" : null, participants: participants.map((one) => ({ ...one, isThis: one.id === own })) };
  }

  /** @throws Refusal `not-found` */
  #there(chat: ChatId): Lasting {
    const lasting = this.#lasting.get(chat);
    if (!lasting) throw new Refusal("not-found", "there is no call");
    return lasting;
  }

  #room(chat: ChatId): string {
    return `${chat}@${this.#context.self.groups}`;
  }
}

/** As seen from outside. */
function without({ own, ...lasting }: Lasting): Lasting {
  return { ...lasting, participants: lasting.participants.filter(({ id }) => id !== own) };
}

function unlessNotThere(error: unknown): void {
  if (!(error instanceof StanzaRefused) || error.name !== "item-not-found") throw error;
}

function reasonOf(text: string): (EngineEvent & { type: "call-left" })["reason"] {
  switch (text) {
    case "moved":
      return "elsewhere";
    case "removed":
      return "removed";
    case "timeout":
    case "decline":
    case "busy":
      return "unanswered";
    case "success":
    case "cancel":
    case "gone":
      return "ended";
    default:
      return "lost";
  }
}

const DISCO = xml("query", { xmlns: "http://jabber.org/protocol/disco#info" });
/** The server ends it sooner. */
const RINGS_MS_MAX = 90_000;
