// The engine, for a moment, in the service worker: as the one that writes where no page is open, or as one
// that asks the page that does. It never writes beside a page: both stand in the same line (engine/leader.ts).

import { deviceName } from "../engine/account/device-name";
import { Engine } from "../engine/engine";
import { Leader } from "../engine/leader";
import type { Commands, EngineEvent } from "../engine/protocol";
import type { Answer, CommandName } from "../engine/rpc";

/** What can be asked while it lasts. */
export interface Run {
  call<N extends CommandName>(name: N, ...args: Parameters<Commands[N]>): Promise<Answer<N>>;
  listen(listener: (event: EngineEvent) => void): void;
  /** Milliseconds since 1970, by the server. */
  now(): Promise<number>;
}

/** Runs a task with an engine, and lets go of it. */
export async function withEngine<T>(task: (run: Run) => Promise<T>): Promise<T> {
  const channel = new BroadcastChannel("whimbrel");
  const place = { origin: location.origin, deviceName: deviceName(navigator.userAgent) };
  // Where the last page is closed, an app with a lock is locked: its key is not taken in here.
  const leader = new Leader(navigator.locks, channel, (handed) => Engine.start({ ...place, ...handed, isBrief: true }), false);
  let aheadMs = 0;
  const known = new Promise<void>((resolve) => {
    leader.listen((event) => {
      if (event.type !== "state") return;
      aheadMs = event.state.clockAheadMs ?? 0;
      resolve();
    });
  });
  try {
    return await task({
      call: <N extends CommandName>(name: N, ...args: Parameters<Commands[N]>) => leader.call(name, args) as Promise<Answer<N>>,
      listen: (listener) => leader.listen(listener),
      now: () => known.then(() => Date.now() + aheadMs),
    });
  } finally {
    await leader.leave();
    channel.close();
  }
}
