// A text that was begun is kept with the chat, so that other devices have it too.
import type { Session } from "../../app/session.svelte";

const KEEP_AFTER_MS = 900;

export class DraftKeeper {
  readonly #session: Session;
  readonly #chat: string;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #kept: string;

  constructor(session: Session, chat: string) {
    this.#session = session;
    this.#chat = chat;
    this.#kept = session.chats.get(chat)?.draft ?? "";
  }

  keep(text: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#write(text), KEEP_AFTER_MS);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#write("");
  }

  /** The conversation is left: what was not kept yet is kept now. */
  leave(text: string): void {
    clearTimeout(this.#timer);
    this.#write(text);
  }

  #write(text: string): void {
    const draft = text.trim() ? text : "";
    if (draft === this.#kept) return;
    this.#kept = draft;
    this.#session.setChat(this.#chat, { draft }).catch(() => {});
  }
}
