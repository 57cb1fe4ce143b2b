// RFC 8030: the browser's push service has another address for us than before.

import type { Run } from "./engine-run";

/** Subscribes again and tells the server; where that fails the next page does it. */
export async function renew(manager: PushManager, former: PushSubscription | null, run: Run): Promise<void> {
  const key = former?.options.applicationServerKey ?? (await run.call("pushKey"));
  const subscription = (await manager.getSubscription()) ?? (await manager.subscribe({ userVisibleOnly: true, applicationServerKey: key }));
  await run.call("subscribePush", keysOf(subscription));
}

/** What the server is told of it. */
export function keysOf(subscription: PushSubscription): { endpoint: string; p256dh: string; auth: string } {
  const { endpoint, keys } = subscription.toJSON();
  return { endpoint: endpoint ?? subscription.endpoint, p256dh: keys?.["p256dh"] ?? "", auth: keys?.["auth"] ?? "" };
}
