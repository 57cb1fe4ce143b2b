// A finger that draws a message towards the end of its line: a reply to it.
import type { Attachment } from "svelte/attachments";

const REPLY_PX = 56;
const SLANT_MAX = 0.6;

export function swipe(run: () => void): Attachment<HTMLElement> {
  return (element) => {
    let start: { x: number; y: number } | null = null;
    let drawn = 0;
    const end = () => {
      if (start && drawn >= REPLY_PX) run();
      start = null;
      drawn = 0;
      element.style.transform = "";
    };
    const down = (event: TouchEvent) => {
      const touch = event.touches[0];
      start = event.touches.length === 1 && touch ? { x: touch.clientX, y: touch.clientY } : null;
    };
    const move = (event: TouchEvent) => {
      const touch = event.touches[0];
      if (!start || !touch) return;
      const sign = getComputedStyle(element).direction === "rtl" ? -1 : 1;
      const x = (touch.clientX - start.x) * sign;
      if (x < 0 || Math.abs(touch.clientY - start.y) > Math.max(12, x * SLANT_MAX)) {
        start = null;
        element.style.transform = "";
        return;
      }
      drawn = Math.min(x, REPLY_PX * 1.3);
      if (drawn > 12) element.style.transform = `translateX(${drawn * sign}px)`;
    };
    element.addEventListener("touchstart", down, { passive: true });
    element.addEventListener("touchmove", move, { passive: true });
    element.addEventListener("touchend", end);
    element.addEventListener("touchcancel", end);
    return () => {
      element.removeEventListener("touchstart", down);
      element.removeEventListener("touchmove", move);
      element.removeEventListener("touchend", end);
      element.removeEventListener("touchcancel", end);
    };
  };
}
