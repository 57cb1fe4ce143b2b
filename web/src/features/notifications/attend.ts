// Has the engine know whether somebody looks at this page: it is visible, and something was done with it lately.
import type { Session } from "../../app/session.svelte";
import { LOOKED_AT } from "../../engine/attention/looked-at";

/** @returns what ends it. */
export function attend(session: Session): () => void {
  let release: (() => void) | undefined;
  let idle: ReturnType<typeof setTimeout> | undefined;

  const tell = () => void session.call("attention").catch(() => undefined);
  const look = () => {
    if (release) return;
    const held = new Promise<void>((resolve) => (release = resolve));
    void navigator.locks.request(LOOKED_AT, { mode: "shared" }, () => {
      tell();
      return held;
    }).then(tell);
  };
  const lookAway = () => {
    clearTimeout(idle);
    release?.();
    release = undefined;
  };
  const follow = () => {
    if (document.visibilityState !== "visible") return lookAway();
    clearTimeout(idle);
    idle = setTimeout(lookAway, IDLE_MS);
    look();
  };
  document.addEventListener("visibilitychange", follow);
  for (const sign of SIGNS) addEventListener(sign, follow, { passive: true, capture: true });
  follow();
  return () => {
    document.removeEventListener("visibilitychange", follow);
    SIGNS.forEach((sign) => removeEventListener(sign, follow, { capture: true }));
    lookAway();
  };
}

const SIGNS = ["pointerdown", "keydown", "wheel", "focus"] as const;
const IDLE_MS = 5 * 60_000;
