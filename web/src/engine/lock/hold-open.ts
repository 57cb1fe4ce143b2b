// A Web Lock that says that the app is unlocked, for those who cannot ask the engine: see store/locked.ts.

import type { EngineEvent } from "../protocol";
import { OPEN } from "../store/locked";

/** @returns what hears the engine's events. */
export function holdOpen(locks: LockManager): (event: EngineEvent) => void {
  let release: (() => void) | undefined;
  return (event) => {
    if (event.type !== "state") return;
    const isOpen = event.state.lock?.isLocked === false;
    if (isOpen && !release) void locks.request(OPEN, () => new Promise<void>((resolve) => (release = resolve)));
    if (!isOpen) release?.();
    if (!isOpen) release = undefined;
  };
}
