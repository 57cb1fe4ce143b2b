// Where a menu or panel opens: below its button or at the pointer, and always inside the window.

interface Box { left: number; right: number; top: number; bottom: number }
interface Size { width: number; height: number }

const EDGE_PX = 8;

export function placeMenu(at: Box, menu: Size, view: Size, rtl: boolean): { left: number; top: number } {
  const startsLeft = at.left + menu.width + EDGE_PX <= view.width;
  const startsRight = at.right - menu.width >= EDGE_PX;
  const left = (rtl ? startsRight : !startsLeft) ? at.right - menu.width : at.left;
  const below = at.bottom + menu.height + EDGE_PX <= view.height;
  const top = below ? at.bottom : at.top - menu.height;
  return { left: within(left, menu.width, view.width), top: within(top, menu.height, view.height) };
}

function within(start: number, length: number, whole: number): number {
  return Math.max(EDGE_PX, Math.min(start, whole - length - EDGE_PX));
}
