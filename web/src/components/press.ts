// A long press of a finger, for browsers that raise no `contextmenu` by it (Safari on iOS).
import type { Attachment } from "svelte/attachments";

const LONG_MS = 480;
const MOVE_MAX_PX = 10;
const taken = new WeakSet<Event>();

/** @param of which of the elements inside are meant, where it is not the element itself. */
export function longPress(run: (at: { x: number; y: number; from: HTMLElement }) => void, of?: string): Attachment<HTMLElement> {
  return (element) => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let start = { x: 0, y: 0 };
    let ran = false;
    const end = () => clearTimeout(timer);
    const down = (event: PointerEvent) => {
      ran = false;
      // What lies inside goes first.
      if (taken.has(event)) return;
      taken.add(event);
      const from = of === undefined ? element : (event.target as Element).closest<HTMLElement>(of);
      if (event.pointerType === "mouse" || !from) return;
      start = { x: event.clientX, y: event.clientY };
      end();
      timer = setTimeout(() => {
        ran = true;
        run({ ...start, from });
      }, LONG_MS);
    };
    const move = (event: PointerEvent) => {
      if (Math.hypot(event.clientX - start.x, event.clientY - start.y) > MOVE_MAX_PX) end();
    };
    // The finger's end is no tap, and the browser's own menu is not wanted beside ours.
    const click = (event: Event) => {
      if (!ran) return;
      ran = false;
      event.preventDefault();
      event.stopPropagation();
    };
    const context = (event: Event) => {
      end();
      if (!ran) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    };
    const pairs = [["pointerdown", down], ["pointermove", move], ["pointerup", end], ["pointercancel", end]] as const;
    for (const [name, hear] of pairs) element.addEventListener(name, hear as EventListener);
    element.addEventListener("click", click, true);
    element.addEventListener("contextmenu", context, true);
    return () => {
      end();
      for (const [name, hear] of pairs) element.removeEventListener(name, hear as EventListener);
      element.removeEventListener("click", click, true);
      element.removeEventListener("contextmenu", context, true);
    };
  };
}
