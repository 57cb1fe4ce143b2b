// A finger that draws a message towards the end of its line: a reply to it.
import type { Attachment } from "svelte/attachments";

const REPLY_PX = 56;
const SLANT_MAX = 0.6;

/** @param of the elements inside that can be drawn. */
export function swipe(of: string, run: (drawn: HTMLElement) => void): Attachment<HTMLElement> {
  return (element) => {
    let start: { x: number; y: number; row: HTMLElement } | null = null;
    let drawn = 0;
    const end = () => {
      if (start && drawn >= REPLY_PX) run(start.row);
      leave();
    };
    const leave = () => {
      if (start) start.row.style.transform = "";
      start = null;
      drawn = 0;
    };
    const down = (event: TouchEvent) => {
      leave();
      const touch = event.touches[0];
      const row = (event.target as Element).closest<HTMLElement>(of);
      if (event.touches.length === 1 && touch && row) start = { x: touch.clientX, y: touch.clientY, row };
    };
    const move = (event: TouchEvent) => {
      const touch = event.touches[0];
      if (!start || !touch) return;
      const sign = getComputedStyle(element).direction === "rtl" ? -1 : 1;
      const x = (touch.clientX - start.x) * sign;
      if (x < 0 || Math.abs(touch.clientY - start.y) > Math.max(12, x * SLANT_MAX)) return leave();
      drawn = Math.min(x, REPLY_PX * 1.3);
      if (drawn > 12) start.row.style.transform = `translateX(${drawn * sign}px)`;
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
