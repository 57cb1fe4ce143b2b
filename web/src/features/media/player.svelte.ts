// The one voice that is heard. It plays on when its message is scrolled away or another screen is opened,
// and the next one follows.
import type { Message } from "../../engine/protocol";
import type { Session } from "../../app/session.svelte";

export const SPEEDS = [1, 1.5, 2];

class Player {
  message: Message | null = $state.raw(null);
  playing = $state(false);
  atMs = $state(0);
  speed = $state(1);
  /** What is played when a message has ended: told by the conversation on screen. */
  following: (message: Message) => Message | undefined = () => undefined;
  #audio: HTMLAudioElement | undefined;
  #session: Session | undefined;

  isOf(message: Message): boolean {
    return this.message?.id === message.id;
  }

  /** @throws where the file cannot be fetched or played. */
  async toggle(message: Message, session: Session): Promise<void> {
    if (this.isOf(message) && this.playing) return this.#audio?.pause();
    await this.#play(message, session);
  }

  seek(message: Message, atMs: number): void {
    if (!this.isOf(message) || !this.#audio) return;
    this.atMs = atMs;
    this.#audio.currentTime = atMs / 1000;
  }

  faster(): void {
    this.speed = SPEEDS[(SPEEDS.indexOf(this.speed) + 1) % SPEEDS.length]!;
    if (this.#audio) this.#audio.playbackRate = this.speed;
  }

  stop(): void {
    this.#audio?.pause();
    this.message = null;
    this.atMs = 0;
  }

  async #play(message: Message, session: Session): Promise<void> {
    if (message.content.kind !== "voice") return;
    this.#session = session;
    const audio = (this.#audio ??= this.#made());
    if (!this.isOf(message)) {
      audio.pause();
      audio.src = await session.fileUrl(message.content.file);
      this.message = message;
      this.atMs = 0;
    }
    audio.playbackRate = this.speed;
    await audio.play();
  }

  #made(): HTMLAudioElement {
    const audio = new Audio();
    audio.addEventListener("play", () => (this.playing = true));
    audio.addEventListener("pause", () => (this.playing = false));
    audio.addEventListener("timeupdate", () => {
      if (this.playing) this.atMs = audio.currentTime * 1000;
    });
    audio.addEventListener("ended", () => {
      const ended = this.message;
      this.stop();
      const next = ended && this.following(ended);
      if (next && this.#session) void this.#play(next, this.#session).catch(() => {});
    });
    return audio;
  }
}

export const player = new Player();

/** The next message, where it is a voice of the same author that comes right behind. */
export function voiceAfter(messages: readonly Message[], { id, author }: Message): Message | undefined {
  const at = messages.findIndex((message) => message.id === id);
  const next = at < 0 ? undefined : messages[at + 1];
  return next?.content.kind === "voice" && next.author === author && next.content.file.digest ? next : undefined;
}
