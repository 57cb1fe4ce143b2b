// What can be done with messages: from their menu, and with several that are selected.
import Info from "@lucide/svelte/icons/info";
import Copy from "@lucide/svelte/icons/copy";
import Flag from "@lucide/svelte/icons/flag";
import Forward from "@lucide/svelte/icons/forward";
import Pencil from "@lucide/svelte/icons/pencil";
import Reply from "@lucide/svelte/icons/reply";
import RotateCw from "@lucide/svelte/icons/rotate-cw";
import SmilePlus from "@lucide/svelte/icons/smile-plus";
import SquareCheck from "@lucide/svelte/icons/square-check";
import Star from "@lucide/svelte/icons/star";
import Sticker from "@lucide/svelte/icons/sticker";
import StarOff from "@lucide/svelte/icons/star-off";
import Trash from "@lucide/svelte/icons/trash-2";
import type { App } from "../../app/context";
import { isPastRetraction } from "../../engine/content/retraction";
import { openMenu, type MenuItems, type MenuPlace } from "../../components/menu";
import type { Chat, Message } from "../../engine/protocol";
import { attempt } from "../chats/actions";
import type { Conversation } from "../conversation/conversation.svelte";
import { keepSticker, stickerOf } from "../stickers/keep";
import { previewLine, previewOf } from "./preview";

export const QUICK_EMOJI = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

export function openMessageMenu(at: MenuPlace, message: Message, chat: Chat, conversation: Conversation, app: App): void {
  const { words } = app;
  const isContent = !["system", "deleted", "unreadable"].includes(message.content.kind);
  const canReact = isContent && chat.canPost && message.status !== "sending" && message.status !== "failed";
  const own = ownReaction(message, app);
  openMenu(
    at,
    words.chat.actions,
    isContent ? contentItems(message, chat, conversation, app) : [selectItem(message, conversation, app), deleteItem(message, chat, app)],
    canReact
      ? {
          choices: QUICK_EMOJI,
          chosen: own,
          more: { label: words.message.moreReactions, run: () => void chooseReaction(message, app) },
          run: (emoji) => void react(message, emoji, app),
        }
      : undefined,
  );
}

function contentItems(message: Message, chat: Chat, conversation: Conversation, app: App): MenuItems {
  const { words } = app;
  const { content } = message;
  const sticker = stickerOf(message);
  const hasWords = content.kind === "text" || ("caption" in content && content.caption !== "");
  return [
    message.status === "failed" && { label: words.message.resend, icon: RotateCw, run: () => void retry(message, app) },
    chat.canPost && { label: words.message.reply, icon: Reply, run: () => (conversation.reply = message) },
    { label: words.message.forward, icon: Forward, run: () => void forwardMessages([message], app) },
    hasWords && { label: words.message.copy, icon: Copy, run: () => void copyMessages([message], app) },
    { label: message.starred ? words.message.unstar : words.message.star, icon: message.starred ? StarOff : Star, run: () => void starMessages([message], !message.starred, app) },
    sticker && { label: words.stickers.keep, icon: Sticker, run: () => void keepSticker(sticker, app) },
    message.isOwn && hasWords && chat.canPost && !message.order.startsWith("~") && { label: words.message.edit, icon: Pencil, run: () => (conversation.editing = message) },
    message.reactions.length > 0 && { label: words.message.reactions, icon: SmilePlus, run: () => void showReactions(message, app) },
    message.isOwn && { label: words.message.info, icon: Info, run: () => void showInfo(message, app) },
    selectItem(message, conversation, app),
    "line",
    !message.isOwn && { label: words.message.report, icon: Flag, danger: true, run: () => void report(message, app) },
    deleteItem(message, chat, app),
  ];
}

function selectItem(message: Message, conversation: Conversation, app: App) {
  return { label: app.words.chat.select, icon: SquareCheck, run: () => conversation.startSelecting(message.id) };
}

function deleteItem(message: Message, chat: Chat, app: App) {
  return { label: app.words.message.delete, icon: Trash, danger: true, run: () => void deleteMessages([message], chat, app) };
}

export function ownReaction(message: Message, { session }: App): string | null {
  return message.reactions.find(({ accounts }) => accounts.some((account) => session.isOwn(account)))?.emoji ?? null;
}

/** The same emoji again takes it back. */
export function react(message: Message, emoji: string, app: App): Promise<boolean> {
  return attempt(app, () => app.session.call("react", message.chat, message.id, ownReaction(message, app) === emoji ? null : emoji));
}

export function retry(message: Message, app: App): Promise<boolean> {
  return attempt(app, () => app.session.call("retry", message.chat, message.id));
}

export async function deleteMessages(messages: Message[], chat: Chat, app: App): Promise<boolean> {
  const { words, dialogs, session } = app;
  const ids = messages.map(({ id }) => id);
  const group = chat.kind === "group" ? session.groups.get(chat.id) : undefined;
  const isAdmin = group?.own === "admin" || group?.own === "owner";
  const isLate = messages.some((message) => message.isOwn && isPastRetraction(message, session.account?.retractionWithinS, session.now()));
  const canForEveryone = !isLate && chat.canPost && chat.kind !== "self" && messages.every((message) => (message.isOwn || isAdmin) && message.content.kind !== "deleted" && message.content.kind !== "system" && message.status !== "failed");
  const choice = await dialogs.choose({
    title: words.message.deleteTitle(ids.length),
    ...(isLate && chat.kind !== "self" ? { text: words.message.tooLate } : {}),
    action: words.message.deleteForMe,
    danger: true,
    others: canForEveryone ? [{ label: words.message.deleteForEveryone, value: "everyone", danger: true }] : [],
  });
  if (!choice) return false;
  return attempt(app, () => session.call(choice === "everyone" ? "deleteForEveryone" : "deleteForMe", chat.id, ids));
}

export async function starMessages(messages: Message[], starred: boolean, app: App): Promise<boolean> {
  return attempt(app, () => Promise.all(messages.map((message) => app.session.call("star", message.chat, message.id, starred))));
}

export async function copyMessages(messages: Message[], app: App): Promise<boolean> {
  const { words, session, format } = app;
  const lines = messages.map((message) => {
    const { content } = message;
    const text = content.kind === "text" ? content.text : previewLine(previewOf(content), words);
    if (messages.length === 1) return text;
    return `${message.isOwn ? words.app.you : session.nameOf(message.author)}, ${format.full(message.at)}: ${text}`;
  });
  const done = await attempt(app, () => navigator.clipboard.writeText(lines.join("\n")));
  if (done) app.toasts.show(words.app.copied);
  return done;
}

export async function forwardMessages(messages: Message[], app: App): Promise<boolean> {
  const { default: ForwardDialog } = await import("./ForwardDialog.svelte");
  return new Promise((resolve) => {
    app.dialogs.lay(ForwardDialog, { messages, done: resolve });
  });
}

export async function chooseReaction(message: Message, app: App): Promise<void> {
  const { default: EmojiDialog } = await import("../emoji/EmojiDialog.svelte");
  app.dialogs.lay(EmojiDialog, { title: app.words.message.react, choose: (emoji: string) => void react(message, emoji, app) });
}

export async function showReactions(message: Message, app: App): Promise<void> {
  const { default: ReactionsDialog } = await import("./ReactionsDialog.svelte");
  app.dialogs.lay(ReactionsDialog, { message });
}

async function showInfo(message: Message, app: App): Promise<void> {
  const { default: InfoDialog } = await import("./InfoDialog.svelte");
  app.dialogs.lay(InfoDialog, { message });
}

async function report(message: Message, app: App): Promise<void> {
  const { default: ReportDialog } = await import("../contact/ReportDialog.svelte");
  app.dialogs.lay(ReportDialog, { account: message.author, chat: message.chat, messages: [message.id] });
}
