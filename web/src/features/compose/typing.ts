// Tells the others that something is written: again while it goes on, and when it ends. A message says so by itself.
import type { Session } from "../../app/session.svelte";

/** A word that is sent at once is told by nothing else. */
const TELL_AFTER_MS = 300;
const AGAIN_AFTER_MS = 5000;
const PAUSE_AFTER_MS = 6000;
/** Who presses "Send" leaves the text for it. */
const LEAVE_AFTER_MS = 500;

export class TypingTeller {
  readonly #session: Pick<Session, "state" | "call">;
  readonly #chat: string;
  readonly #doing: "typing" | "recording";
  #toldAt = 0;
  #telling: ReturnType<typeof setTimeout> | undefined;
  #ending: ReturnType<typeof setTimeout> | undefined;

  constructor(session: Pick<Session, "state" | "call">, chat: string, doing: "typing" | "recording" = "typing") {
    this.#session = session;
    this.#chat = chat;
    this.#doing = doing;
  }

  type(hasText: boolean): void {
    if (!hasText) return this.stop();
    this.#endAfter(PAUSE_AFTER_MS);
    if (Date.now() - this.#toldAt < AGAIN_AFTER_MS) return;
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined;
      this.#toldAt = Date.now();
      this.#tell(this.#doing);
    }, TELL_AFTER_MS);
  }

  /** The text is left, perhaps to send it. */
  leave(): void {
    this.#endAfter(LEAVE_AFTER_MS);
  }

  /** A message came of it. */
  sent(): void {
    this.#forget();
  }

  stop(): void {
    if (this.#forget()) this.#tell("paused");
  }

  /** @returns whether the others had been told. */
  #forget(): boolean {
    clearTimeout(this.#telling);
    clearTimeout(this.#ending);
    this.#telling = undefined;
    const isTold = this.#toldAt > 0;
    this.#toldAt = 0;
    return isTold;
  }

  #endAfter(ms: number): void {
    clearTimeout(this.#ending);
    this.#ending = setTimeout(() => this.stop(), ms);
  }

  #tell(state: "typing" | "recording" | "paused"): void {
    if (this.#session.state?.connection !== "online") return;
    this.#session.call("typing", this.#chat, state).catch(() => {});
  }
}
