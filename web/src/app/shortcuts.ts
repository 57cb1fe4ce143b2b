// The keys that work everywhere. Where the user writes, only those with Ctrl or Alt count.
import type { App } from "./context";
import { orderChats } from "../features/chats/order";

export type Action = "search" | "newChat" | "newGroup" | "nextChat" | "previousChat" | "settings" | "shortcuts" | "lock" | "close";

export const KEYS: Record<Exclude<Action, "close">, string> = {
  search: "Alt+K",
  newChat: "Alt+N",
  newGroup: "Alt+G",
  nextChat: "Alt+↓",
  previousChat: "Alt+↑",
  settings: "Alt+,",
  shortcuts: "Alt+/",
  lock: "Alt+L",
};

/** @returns which action a key press means. */
export function actionOf(press: Pick<KeyboardEvent, "key" | "code" | "altKey" | "ctrlKey" | "metaKey" | "shiftKey">): Action | null {
  if (press.key === "Escape") return "close";
  if (!press.altKey || press.ctrlKey || press.metaKey || press.shiftKey) return null;
  // By the key's place: with Alt some layouts write another letter.
  switch (press.code) {
    case "KeyK": return "search";
    case "KeyN": return "newChat";
    case "KeyG": return "newGroup";
    case "ArrowDown": return "nextChat";
    case "ArrowUp": return "previousChat";
    case "Comma": return "settings";
    case "Slash": return "shortcuts";
    case "KeyL": return "lock";
    default: return null;
  }
}

/** @returns what ends it. */
export function watchShortcuts(app: App): () => void {
  const press = (event: KeyboardEvent) => {
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const action = actionOf(event);
    if (!action) return;
    event.preventDefault();
    act(action, app);
  };
  addEventListener("keydown", press);
  return () => removeEventListener("keydown", press);
}

function act(action: Action, { router, session }: App): void {
  switch (action) {
    case "search":
      router.openList("chats");
      setTimeout(() => document.querySelector<HTMLInputElement>("#chat-search")?.focus());
      break;
    case "newChat":
      router.openList("new");
      break;
    case "newGroup":
      router.openList("new-group");
      break;
    case "settings":
      router.openList("settings");
      break;
    case "shortcuts":
      router.open({ kind: "settings", section: "shortcuts" });
      break;
    case "lock":
      if (session.state?.lock) void session.call("lock").catch(() => undefined);
      else router.open({ kind: "settings", section: "lock" });
      break;
    case "close":
      if (router.route.open) router.closeOpen();
      break;
    case "nextChat":
    case "previousChat": {
      const chats = orderChats([...session.chats.values()].filter((chat) => !chat.archived));
      const open = router.route.open;
      const i = open && "chat" in open ? chats.findIndex((chat) => chat.id === open.chat) : -1;
      const next = chats[action === "nextChat" ? i + 1 : i - 1];
      if (next) router.openChat(next.id);
      break;
    }
  }
}
