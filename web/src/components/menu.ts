// Opens a menu at a button, or where the pointer is. One is open at a time.
import type { LucideIcon } from "@lucide/svelte";
import { mount, unmount } from "svelte";
import Menu from "./Menu.svelte";

export interface MenuItem {
  label: string;
  icon?: LucideIcon;
  run: () => void;
  danger?: boolean;
  checked?: boolean;
}
export type MenuItems = (MenuItem | "line" | false | null | undefined)[];
export type MenuPlace = HTMLElement | { x: number; y: number; from: HTMLElement };

let shown: (() => void) | null = null;

/** @param quick a row of emoji above the items. */
export function openMenu(at: MenuPlace, label: string, items: MenuItems, quick?: { choices: string[]; chosen: string | null; more: { label: string; run: () => void }; run: (emoji: string) => void }): void {
  shown?.();
  const from = at instanceof HTMLElement ? at : at.from;
  // Outside of an open dialog everything is inert; outside of it the menu belongs to the page's main part.
  const target = from.closest("dialog, main") ?? document.body;
  const close = () => {
    if (shown !== close) return;
    shown = null;
    void unmount(menu);
    if (from.isConnected) from.focus({ preventScroll: true });
  };
  const menu = mount(Menu, { target, props: { at, label, items: items.filter((item) => !!item), quick, close } });
  shown = close;
}

/** For `oncontextmenu`, which a long press on a touch screen raises too. */
export function menuAt(event: MouseEvent, from = event.currentTarget as HTMLElement): MenuPlace {
  event.preventDefault();
  // The keyboard's menu key has no place of its own.
  if (event.clientX === 0 && event.clientY === 0) return from;
  return { x: event.clientX, y: event.clientY, from };
}
