// Where a tab's engine runs: one of them writes, see leader.ts.

import { deviceName } from "./account/device-name";
import { Engine } from "./engine";
import { Leader } from "./leader";
import { holdOpen } from "./lock/hold-open";
import { serve } from "./rpc";

const channel = new BroadcastChannel("whimbrel");
const place = { origin: location.origin, deviceName: deviceName(navigator.userAgent) };
const leader = new Leader(navigator.locks, channel, async (handed) => {
  const engine = await Engine.start({ ...place, ...handed });
  engine.listen(holdOpen(navigator.locks));
  addEventListener("online", () => engine.wake());
  return engine;
});
serve(self, leader);
