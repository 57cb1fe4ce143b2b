// What this side sends: microphone, camera and screen, on one connection that is negotiated once. What is
// turned on and off later changes tracks only.

import type { CallSource } from "../engine/protocol";
import { Link } from "./link";
import type { Options } from "./sframe/worker";

export class Publishing {
  readonly link: Link;
  readonly #senders: Record<CallSource, RTCRtpSender>;

  /** @param worker through which all frames go; without one they leave as they are */
  constructor(worker: Worker | undefined, changed: () => void) {
    this.link = new Link(changed);
    const add = (kind: "audio" | "video", sendEncodings: RTCRtpEncodingParameters[]) => {
      const transceiver = this.link.connection.addTransceiver(kind, { direction: "sendonly", sendEncodings });
      if (kind === "video") preferVp8(transceiver);
      if (worker) transceiver.sender.transform = new RTCRtpScriptTransform(worker, { side: "send", kind } satisfies Options);
      return transceiver.sender;
    };
    // The endpoint knows them by this order (docs/protocol/calls.md).
    this.#senders = { microphone: add("audio", [{}]), camera: add("video", CAMERA), screen: add("video", SCREEN) };
  }

  /** Sends this track from now on, in place of the one before. */
  async send(source: CallSource, track: MediaStreamTrack | null): Promise<void> {
    await this.#senders[source].replaceTrack(track);
  }

  /** Encodings that nobody watches are not made. @param watched bit 0: the smallest one */
  async demand(source: CallSource, watched: number): Promise<void> {
    const sender = this.#senders[source];
    const parameters = sender.getParameters();
    parameters.encodings.forEach((encoding, index) => {
      encoding.active = (watched & (1 << index)) !== 0;
    });
    // It may be closed meanwhile.
    await sender.setParameters(parameters).catch(() => undefined);
  }
}

function preferVp8(transceiver: RTCRtpTransceiver): void {
  const codecs = RTCRtpReceiver.getCapabilities("video")?.codecs ?? [];
  transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => /\/(VP8|rtx)$/i.test(mimeType)));
}

/** From small to large, as the endpoint counts them. */
const CAMERA: (RTCRtpEncodingParameters & { scalabilityMode?: string })[] = [
  { rid: "q", scaleResolutionDownBy: 4, maxBitrate: 150_000, scalabilityMode: "L1T2" },
  { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 500_000, scalabilityMode: "L1T2" },
  { rid: "f", scaleResolutionDownBy: 1, maxBitrate: 1_700_000, scalabilityMode: "L1T2" },
];
const SCREEN: RTCRtpEncodingParameters[] = [{ maxBitrate: 2_500_000, maxFramerate: 15 }];
