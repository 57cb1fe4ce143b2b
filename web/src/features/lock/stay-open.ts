// Tells the engine that the user is there, so that the app does not lock by itself.
import type { Session } from "../../app/session.svelte";

/** @returns what ends it. */
export function stayOpen(session: Session): () => void {
  let toldAt = 0;
  const tell = () => {
    const { lock } = session.state ?? {};
    if (!lock || lock.isLocked || Date.now() - toldAt < TELL_EVERY_MS) return;
    toldAt = Date.now();
    session.call("stayOpen").catch(() => undefined);
  };
  for (const sign of SIGNS) addEventListener(sign, tell, { passive: true, capture: true });
  return () => SIGNS.forEach((sign) => removeEventListener(sign, tell, { capture: true }));
}

const SIGNS = ["pointerdown", "pointermove", "keydown", "wheel"] as const;
const TELL_EVERY_MS = 10_000;
