// Where the user is: told by the address behind "#", so that links lead deep and Back works anywhere.
//
// A route has a list (the left pane) and, beside it, what is open. A phone shows one of them.

import { hashOfAddress } from "./addresses";

export type List = "chats" | "archived" | "people" | "starred" | "settings" | "new" | "new-group";

export type Open =
  | { kind: "chat"; chat: string; message?: string }
  | { kind: "chat-info" | "chat-media"; chat: string }
  | { kind: "person"; account: string }
  | { kind: "settings"; section: string };

export interface Route {
  list: List;
  open: Open | null;
  /** An invitation that the address brought. */
  join?: string;
  /** A link by which this device becomes one more of an account. */
  link?: string;
  /** Another app has shared something with this one. */
  isShare?: boolean;
}

const LISTS: readonly string[] = ["chats", "archived", "people", "starred", "settings", "new", "new-group"];

/** @param hash what stands behind "#". A conversation keeps the list that it was opened from. */
export function parseRoute(hash: string, listBefore: List = "chats"): Route {
  const [first = "", second, third, fourth] = hash.replace(/^#?\/?/, "").split("/").map(decode);
  if (first === "chat" && second) return { list: beside(listBefore), open: openOfChat(second, third, fourth) };
  if (first === "person" && second) return { list: beside(listBefore), open: { kind: "person", account: second } };
  if (first === "settings" && second) return { list: "settings", open: { kind: "settings", section: second } };
  if (first === "join" && second) return { list: "people", open: null, join: second };
  if (first === "link" && second) return { list: "chats", open: null, link: second };
  if (first === "share") return { list: "chats", open: null, isShare: true };
  return { list: LISTS.includes(first) ? (first as List) : "chats", open: null };
}

export function formatRoute(open: Open): string {
  switch (open.kind) {
    case "chat":
      return `#/chat/${encodeURIComponent(open.chat)}${open.message ? `/message/${encodeURIComponent(open.message)}` : ""}`;
    case "chat-info":
      return `#/chat/${encodeURIComponent(open.chat)}/info`;
    case "chat-media":
      return `#/chat/${encodeURIComponent(open.chat)}/media`;
    case "person":
      return `#/person/${encodeURIComponent(open.account)}`;
    case "settings":
      return `#/settings/${encodeURIComponent(open.section)}`;
  }
}

export class Router {
  route: Route = $state.raw({ list: "chats", open: null });
  /** The addresses from the first to this one, so that Back never leaves the app. */
  #trail: string[] = [];

  constructor() {
    this.#enter(location.href, (hash) => history.replaceState(null, "", `/${hash}`));
    // An installed app that is open already is told where a link leads, and stays.
    const { launchQueue } = globalThis as { launchQueue?: { setConsumer(consumer: (launch: { targetURL?: string }) => void): void } };
    launchQueue?.setConsumer(({ targetURL }) => targetURL !== undefined && this.#enter(targetURL, (hash) => this.#go(hash)));
    this.#read();
    addEventListener("hashchange", () => this.#read());
  }

  openList(list: List): void {
    this.#go(list === "chats" ? "#/" : `#/${list}`);
  }

  open(open: Open): void {
    this.#go(formatRoute(open));
  }

  openChat(chat: string, message?: string): void {
    this.open({ kind: "chat", chat, message });
  }

  /** One step back inside the app, never out of it. */
  back(): void {
    const { open, list } = this.route;
    if (this.#trail.length > 1) history.back();
    else location.replace(open?.kind === "chat-info" || open?.kind === "chat-media" ? formatRoute({ kind: "chat", chat: open.chat }) : listAbove(open, list));
  }

  /** Closes what is open beside the list. */
  closeOpen(): void {
    this.#go(listAbove(this.route.open, this.route.list));
  }

  /** An address from outside; one with "#" is the app's own. */
  #enter(address: string, go: (hash: string) => void): void {
    const hash = hashOfAddress(address) ?? (address === location.href ? undefined : new URL(address).hash || undefined);
    if (hash !== undefined) go(hash);
  }

  #go(hash: string): void {
    if (location.hash === hash || (hash === "#/" && location.hash === "")) return;
    location.hash = hash;
  }

  #read(): void {
    if (this.#trail.at(-2) === location.hash) this.#trail.pop();
    else this.#trail.push(location.hash);
    this.route = parseRoute(location.hash, this.route?.list);
  }
}

function openOfChat(chat: string, third?: string, fourth?: string): Open {
  if (third === "info") return { kind: "chat-info", chat };
  if (third === "media") return { kind: "chat-media", chat };
  if (third === "message" && fourth) return { kind: "chat", chat, message: fourth };
  return { kind: "chat", chat };
}

/** Lists that make sense beside a conversation. */
function beside(list: List): List {
  return list === "settings" || list === "new" || list === "new-group" ? "chats" : list;
}

function listAbove(open: Open | null, list: List): string {
  if (!open && list !== "chats") return list === "new-group" ? "#/new" : "#/";
  return list === "chats" ? "#/" : `#/${list}`;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}
