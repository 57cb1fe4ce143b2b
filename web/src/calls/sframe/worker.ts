// The worker through which all frames of a call go (WebRTC Encoded Transform).

import { Opener, Sealer, type Kind } from "./frames";
import { Keys, type EpochKeys } from "./keys";

/** To the worker. */
export type Order = { type: "keys"; keys: EpochKeys } | { type: "use"; epoch: number };
/** What a transform is made with. */
export type Options = { side: "send"; kind: Kind } | { side: "receive"; kind: Kind; slot: number };
/** From the worker: whose frames a slot shows now, as they prove themselves; `null`: they cannot be opened. */
export interface Shown {
  slot: number;
  leaf: number | null;
}

const keys = new Keys();
const sealer = new Sealer(keys);
const opener = new Opener(keys);

self.addEventListener("message", ({ data }: MessageEvent<Order>) => {
  if (data.type === "keys") keys.add(data.keys);
  else sealer.use(data.epoch);
});

self.addEventListener("rtctransform", (event) => {
  const { transformer } = event as RTCTransformEvent;
  const options = transformer.options as Options;
  const transform = options.side === "send" ? sealing(options.kind) : opening(options, transformer);
  // It ends with its connection.
  transformer.readable.pipeThrough(transform).pipeTo(transformer.writable).catch(() => undefined);
});

type Frame = RTCEncodedVideoFrame | RTCEncodedAudioFrame;

function sealing(kind: Kind): TransformStream<Frame, Frame> {
  return new TransformStream({
    async transform(frame, controller) {
      const sealed = await sealer.seal(kind, new Uint8Array(frame.data));
      if (sealed) controller.enqueue(withData(frame, sealed));
    },
  });
}

function opening({ kind, slot }: Options & { side: "receive" }, transformer: RTCRtpScriptTransformer): TransformStream<Frame, Frame> {
  let shown: number | null | undefined;
  let askedMs = 0;
  const show = (leaf: number | null) => {
    if (leaf === shown) return;
    shown = leaf;
    self.postMessage({ slot, leaf } satisfies Shown);
  };
  return new TransformStream({
    async transform(frame, controller) {
      // Nothing was spoken: Opus' silence is not sealed by all senders.
      if (frame.data.byteLength === 0) return;
      const opened = await opener.open(kind, new Uint8Array(frame.data));
      show(opened?.leaf ?? null);
      if (opened) controller.enqueue(withData(frame, opened.frame));
      else if (kind === "video" && performance.now() - askedMs > ASK_EVERY_MS) {
        // With what was dropped the decoder has lost its thread.
        askedMs = performance.now();
        await transformer.sendKeyFrameRequest().catch(() => undefined);
      }
    },
  });
}

function withData<F extends Frame>(frame: F, data: Uint8Array<ArrayBuffer>): F {
  frame.data = data.buffer;
  return frame;
}

const ASK_EVERY_MS = 1_000;
