// What a page does when something comes that the user is called for: a sound where the page is seen, else the
// service worker shows it. And what tells of what is unread: the app's icon, the tab's title and its icon.
import type { App } from "../../app/context";
import type { Chat, ChatId, EngineEvent, Notice } from "../../engine/protocol";
import type { OpenChat, ToWorker } from "../../service-worker/messages";
import { unreadOf } from "../../service-worker/pushed";
import { closeRead } from "../../service-worker/show";
import type { PushSwitch } from "./push.svelte";
import { play, type Sound } from "./sounds";
import { noticeWords } from "./words";

/** Follows the engine. @returns what ends it. */
export function watchNotices(app: App, push: PushSwitch): () => void {
  const { session, router } = app;
  const held: Notice[] = [];
  let holding: ReturnType<typeof setTimeout> | undefined;

  // While the stream catches up, what was read elsewhere is still to be told of.
  const release = () => {
    clearTimeout(holding);
    holding = undefined;
    const isRead = (chat: ChatId) => session.chats.get(chat)?.unread === 0;
    for (const notice of held.splice(0)) if (notice.reaction !== undefined || !isRead(notice.chat)) call(notice, app, push);
  };
  const hear = (event: EngineEvent) => {
    if (event.type === "notice") {
      held.push(event.notice);
      const isOnline = session.state?.connection === "online";
      // The chat's own event comes with it.
      holding ??= setTimeout(release, isOnline ? 0 : HOLD_MS_MAX);
    }
    if (event.type === "state" && event.state.connection === "online" && held.length > 0) release();
    if (event.type === "chat" && event.chat.unread === 0) void closeSoon(event.chat.id);
  };
  const opened = ({ data }: MessageEvent<OpenChat>) => {
    if (data.type === "open") router.openChat(data.chat);
  };
  const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  container?.addEventListener("message", opened);
  void tell({ type: "words", words: noticeWords(app.words, app.preferences.language) });
  const end = session.listen(hear);
  return () => {
    end();
    clearTimeout(holding);
    container?.removeEventListener("message", opened);
  };
}

let shownUnread: number | undefined;

/** Shows how much is unread wherever the system and the tab can. */
export function showUnread(chats: Iterable<Chat>, now: number): void {
  const unread = unreadOf(chats, now);
  if (unread === shownUnread) return;
  shownUnread = unread;
  if (unread > 0) navigator.setAppBadge?.(unread).catch(() => undefined);
  else navigator.clearAppBadge?.().catch(() => undefined);
  const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  const wanted = unread > 0 ? "/icon-unread.svg" : "/icon.svg";
  if (icon && icon.getAttribute("href") !== wanted) icon.setAttribute("href", wanted);
}

function call(notice: Notice, { session, router }: App, push: PushSwitch): void {
  const isWriter = session.state?.tab === "writer";
  const isSeen = document.visibilityState === "visible";
  // One page of several does it.
  if (isWriter && push.isOn) void tell({ type: "notice", notice });
  const isOneOfPages = isSeen ? document.hasFocus() || isWriter : isWriter && !push.isOn;
  if (notice.isSilent || !isOneOfPages) return;
  const { open } = router.route;
  const isOpen = isSeen && open?.kind === "chat" && open.chat === notice.chat;
  const sound: Sound = isOpen ? "here" : "message";
  play(sound);
}

/** The service worker, without which there are no notifications. */
export async function tell(said: ToWorker, transfer: Transferable[] = []): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration();
  registration?.active?.postMessage(said, transfer);
}

const closing = new Set<ChatId>();

async function closeSoon(chat: ChatId): Promise<void> {
  if (closing.size === 0) setTimeout(closeAll, CLOSE_AFTER_MS);
  closing.add(chat);
}

async function closeAll(): Promise<void> {
  const read = new Set(closing);
  closing.clear();
  const registration = await navigator.serviceWorker?.getRegistration();
  if (registration?.getNotifications) await closeRead(registration, (chat) => read.has(chat)).catch(() => undefined);
}

const HOLD_MS_MAX = 8_000;
const CLOSE_AFTER_MS = 150;
