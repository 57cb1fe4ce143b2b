// The one call that this page is in, if it is in one.

import type { Session } from "../app/session.svelte";
import type { ChatId } from "../engine/protocol";
import type { CallEnd, OngoingCall } from "./call.svelte";

export class CallDesk {
  ongoing = $state.raw<OngoingCall | null>(null);
  /** Something else is looked at meanwhile. */
  isSmall = $state(false);
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Begins a call, or comes into the one that lasts; another one is left.
   *  @param ended why this device is out of it, where that was not the user's wish
   *  @throws the engine's error, where the user cannot come in */
  async join(chat: ChatId, isVideo: boolean, ended: (reason: Exclude<CallEnd, "left">) => void): Promise<void> {
    this.isSmall = false;
    if (this.ongoing?.chat === chat) return;
    await this.ongoing?.leave().catch(() => undefined);
    const { OngoingCall } = await import("./call.svelte");
    const call: OngoingCall = new OngoingCall(this.#session, chat, isVideo, (reason) => {
      if (this.ongoing === call) this.ongoing = null;
      if (reason !== "left") ended(reason);
    });
    this.ongoing = call;
    try {
      await call.join();
    } catch (error) {
      await call.leave().catch(() => undefined);
      throw error;
    }
  }
}
