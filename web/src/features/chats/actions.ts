// What can be done with a chat from its menu, in the list and in its head.
import Archive from "@lucide/svelte/icons/archive";
import ArchiveRestore from "@lucide/svelte/icons/archive-restore";
import Bell from "@lucide/svelte/icons/bell";
import BellOff from "@lucide/svelte/icons/bell-off";
import Eraser from "@lucide/svelte/icons/eraser";
import Info from "@lucide/svelte/icons/info";
import LogOut from "@lucide/svelte/icons/log-out";
import MailCheck from "@lucide/svelte/icons/mail-check";
import Mail from "@lucide/svelte/icons/mail";
import Pin from "@lucide/svelte/icons/pin";
import PinOff from "@lucide/svelte/icons/pin-off";
import type { App } from "../../app/context";
import { refusalWords } from "../../app/refusal";
import type { MenuItems } from "../../components/menu";
import type { Chat, ChatMarks } from "../../engine/protocol";
import { isMuted, isUnread } from "./order";

const HOUR_MS = 3_600_000;
/** "Always" is the year 9999, which can still be written as a date. */
const ALWAYS = Date.UTC(9999, 11, 31);

export function chatMenu(chat: Chat, app: App): MenuItems {
  const { words, router } = app;
  const set = (change: Partial<ChatMarks>) => attempt(app, () => app.session.setChat(chat.id, change));
  return [
    { label: chat.pinned ? words.chats.unpin : words.chats.pin, icon: chat.pinned ? PinOff : Pin, run: () => set({ pinned: !chat.pinned }) },
    isUnread(chat)
      ? { label: words.chats.markRead, icon: MailCheck, run: () => markRead(chat, app) }
      : { label: words.chats.markUnread, icon: Mail, run: () => set({ markedUnread: true }) },
    isMuted(chat, app.session.now())
      ? { label: words.chats.unmute, icon: Bell, run: () => set({ mutedUntil: null }) }
      : chat.kind !== "self" && { label: words.chats.mute, icon: BellOff, run: () => void mute(chat, app) },
    chat.archived
      ? { label: words.chats.unarchive, icon: ArchiveRestore, run: () => set({ archived: false }) }
      : { label: words.chats.archive, icon: Archive, run: () => archive(chat, app) },
    { label: words.chats.info, icon: Info, run: () => router.open({ kind: "chat-info", chat: chat.id }) },
    "line",
    { label: words.chats.clear, icon: Eraser, danger: true, run: () => void clear(chat, app) },
    chat.kind === "group" && !chat.hasLeft && { label: words.chats.leave, icon: LogOut, danger: true, run: () => void leave(chat, app) },
  ];
}

/** Does something, and says why where it is refused. @returns whether it was done. */
export async function attempt(app: App, work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (refusal) {
    app.toasts.show(refusalWords(refusal, app.words, app.format), "bad");
    return false;
  }
}

export async function leave(chat: Chat, app: App): Promise<void> {
  const { words, dialogs, session } = app;
  const agreed = await dialogs.confirm({ title: `${words.chats.leave}: ${chat.name}`, text: words.chats.leaveText, action: words.chats.leave, danger: true });
  if (agreed) await attempt(app, () => session.call("leaveGroup", chat.id));
}

export async function clear(chat: Chat, app: App): Promise<void> {
  const { words, dialogs, session } = app;
  const agreed = await dialogs.confirm({ title: words.chats.clear, text: words.chats.clearText, action: words.chats.clear, danger: true });
  if (agreed) await attempt(app, () => session.call("clearChat", chat.id));
}

export async function mute(chat: Chat, app: App): Promise<void> {
  const { words, dialogs, session } = app;
  const choice = await dialogs.choose({
    title: words.chats.muteFor,
    action: words.chats.muteAlways,
    others: [{ label: words.chats.muteHours, value: "8" }, { label: words.chats.muteWeek, value: "168" }],
  });
  if (!choice) return;
  const mutedUntil = choice === "yes" ? ALWAYS : session.now() + Number(choice) * HOUR_MS;
  await attempt(app, () => session.setChat(chat.id, { mutedUntil }));
}

function archive(chat: Chat, app: App): void {
  void attempt(app, () => app.session.setChat(chat.id, { archived: true, pinned: false }));
  app.toasts.show(app.words.chats.archived, "plain", { label: app.words.chats.unarchive, run: () => void attempt(app, () => app.session.setChat(chat.id, { archived: false, pinned: chat.pinned })) });
}

async function markRead(chat: Chat, app: App): Promise<void> {
  await attempt(app, async () => {
    if (chat.markedUnread) await app.session.setChat(chat.id, { markedUnread: false });
    if (chat.unread === 0) return;
    const { messages } = await app.session.call("messages", chat.id, {}, 1);
    const newest = messages.at(-1);
    if (newest) await app.session.call("markRead", chat.id, newest.order);
  });
}
