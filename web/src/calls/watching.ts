// What this side sees and hears: a number of slots on one connection. What each of them shows is changed by the
// endpoint, without another word between the two.

import { Link } from "./link";
import type { Options } from "./sframe/worker";

export class Watching {
  readonly link: Link;
  /** In the order of their slots. */
  readonly tracks: MediaStreamTrack[];

  /** @param worker through which all frames go; without one they are shown as they come */
  constructor(worker: Worker | undefined, changed: () => void) {
    this.link = new Link(changed);
    const kinds = [...Array<"audio">(VOICES).fill("audio"), ...Array<"video">(PICTURES).fill("video")];
    this.tracks = kinds.map((kind, slot) => {
      const { receiver } = this.link.connection.addTransceiver(kind, { direction: "recvonly" });
      if (worker) receiver.transform = new RTCRtpScriptTransform(worker, { side: "receive", kind, slot } satisfies Options);
      return receiver.track;
    });
  }
}

/** More voices at once nobody understands. */
export const VOICES = 3;
/** Pictures on the largest screen, those of screens included. */
export const PICTURES = 12;
