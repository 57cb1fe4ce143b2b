// Looks for a preview of the first link in the text that is being written, if the user wants that.
import { find } from "linkifyjs";
import type { Session } from "../../app/session.svelte";
import type { LinkPreview } from "../../engine/protocol";
import { linkPicture } from "./link-picture";

/** The text rests so long before it is looked at. */
const REST_MS = 700;

export class LinkFinder {
  /** What goes along with the message. */
  card: LinkPreview | null = $state.raw(null);
  /** An address that the user has not said yet whether to look up. */
  asks = $state(false);
  /** The server is asked right now. */
  looking = $state(false);
  readonly #session: Session;
  #url: string | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Those that the user does not want. */
  readonly #refused = new Set<string>();

  constructor(session: Session) {
    this.#session = session;
  }

  read(text: string): void {
    clearTimeout(this.#timer);
    if (this.#url !== null && !text.includes(this.#url)) this.clear();
    this.#timer = setTimeout(() => this.#look(text), text ? REST_MS : 0);
  }

  /** What an edited message has already. */
  begin(card: LinkPreview | null): void {
    this.clear();
    this.card = card;
    this.#url = card?.url ?? null;
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.card = null;
    this.#url = null;
    this.asks = this.looking = false;
  }

  refuse(): void {
    if (this.#url) this.#refused.add(this.#url);
    this.clear();
  }

  async decide(wanted: boolean, text: string): Promise<void> {
    this.asks = false;
    await this.#session.setSettings({ linkPreviews: wanted });
    if (wanted) this.#look(text);
  }

  #look(text: string): void {
    const url = firstLink(text);
    if (url === this.#url && (this.card || this.looking)) return;
    const wanted = this.#session.settings?.linkPreviews;
    this.asks = wanted === null && url !== null;
    this.card = null;
    this.#url = url !== null && wanted === true && !this.#refused.has(url) ? url : null;
    if (this.#url) void this.#ask(this.#url);
  }

  async #ask(url: string): Promise<void> {
    this.looking = true;
    try {
      const found = await this.#session.call("linkPreview", url);
      if (this.#url !== url || !found) return;
      const { image, ...card } = found;
      const picture = image && (await linkPicture(image));
      if (this.#url === url) this.card = { ...card, ...(picture && { picture }) };
    } catch {
      // A link without a preview is a link.
    } finally {
      if (this.#url === url) this.looking = false;
    }
  }
}

/** The first address of a page in the text. */
export function firstLink(text: string): string | null {
  for (const { href, type } of find(text, "url")) if (type === "url" && /^https?:\/\//i.test(href)) return href;
  return null;
}
