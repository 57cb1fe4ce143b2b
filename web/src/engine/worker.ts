// Where a tab's engine runs: one of them writes, see leader.ts.

import { deviceName } from "./account/device-name";
import { Engine } from "./engine";
import { Leader } from "./leader";
import { serve } from "./rpc";

const channel = new BroadcastChannel("whimbrel");
const place = { origin: location.origin, deviceName: deviceName(navigator.userAgent) };
const leader = new Leader(navigator.locks, channel, async () => {
  const engine = await Engine.start(place);
  addEventListener("online", () => engine.wake());
  return engine;
});
serve(self, leader);
