// Tells the others that something is written: again while it goes on, and when it ends.
import type { Session } from "../../app/session.svelte";

const AGAIN_AFTER_MS = 5000;
const PAUSE_AFTER_MS = 6000;

export class TypingTeller {
  readonly #session: Session;
  readonly #chat: string;
  readonly #doing: "typing" | "recording";
  #toldAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(session: Session, chat: string, doing: "typing" | "recording" = "typing") {
    this.#session = session;
    this.#chat = chat;
    this.#doing = doing;
  }

  type(hasText: boolean): void {
    if (!hasText) return this.stop();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.stop(), PAUSE_AFTER_MS);
    if (Date.now() - this.#toldAt < AGAIN_AFTER_MS) return;
    this.#toldAt = Date.now();
    this.#tell(this.#doing);
  }

  stop(): void {
    clearTimeout(this.#timer);
    if (!this.#toldAt) return;
    this.#toldAt = 0;
    this.#tell("paused");
  }

  #tell(state: "typing" | "recording" | "paused"): void {
    if (this.#session.state?.connection !== "online") return;
    this.#session.call("typing", this.#chat, state).catch(() => {});
  }
}
