// What works without a page: the app's own files, other people's files, notifications, and what is shared with
// the app. Which part answers what.

import { FILES, type Said } from "../engine/media/asked";
import { withEngine } from "./engine-run";
import { OpenedFiles } from "./files";
import type { ToWorker } from "./messages";
import { picturesOf } from "./pictures";
import { pressed } from "./pressed";
import { pushed } from "./pushed";
import { SHARE, SharedOnce } from "./shared";
import { isPage, Shell, type ShellFiles } from "./shell";
import { Notifications } from "./show";
import { renew } from "./subscription";
import { keepWords, keptWords } from "./words";

/** By vite.config.ts. */
declare const SHELL_FILES: ShellFiles;
declare const SHELL_VERSION: string;

const worker = globalThis as unknown as ServiceWorkerGlobalScope;
const shell = new Shell(SHELL_FILES, SHELL_VERSION);
const files = new OpenedFiles(worker.clients);
const shared = new SharedOnce();
const notifications = new Notifications({
  registration: worker.registration,
  words: keptWords,
  picturesOf,
  isSeen,
  actionsMax: (Notification as { maxActions?: number }).maxActions ?? 2,
});

worker.addEventListener("install", (event) => event.waitUntil(shell.install()));
worker.addEventListener("activate", (event) => event.waitUntil(Promise.all([shell.activate(), worker.clients.claim()])));

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== worker.location.origin) return;
  if (request.method === "POST" && url.pathname === SHARE) event.respondWith(shared.take(request));
  else if (request.method === "GET" && url.pathname.startsWith(FILES)) event.respondWith(files.answer(url.pathname.slice(FILES.length), event));
  else if (shell.has(request, url)) event.respondWith(shell.answer(request, url));
});

worker.addEventListener("message", (event) => {
  const said = event.data as ToWorker | Said;
  switch (said.type) {
    case "notice":
      return event.waitUntil(notifications.show(said.notice));
    case "forget":
      files.forget();
      return event.waitUntil(notifications.close(() => true));
    case "words":
      return event.waitUntil(keepWords(said.words));
    case "shared":
      return event.ports[0]?.postMessage(shared.give());
    case "take-over":
      return event.waitUntil(worker.skipWaiting());
  }
});

worker.addEventListener("push", (event) => {
  const around = { notifications, isSeen, withEngine, setBadge, end };
  event.waitUntil(pushed(event.data?.text() ?? "", around));
});

worker.addEventListener("pushsubscriptionchange", (event) => {
  const { oldSubscription = null } = event as unknown as { oldSubscription?: PushSubscription | null };
  const renewed = withEngine((run) => renew(worker.registration.pushManager, oldSubscription, run));
  (event as ExtendableEvent).waitUntil(renewed.catch(() => undefined));
});

worker.addEventListener("notificationclick", (event) => {
  const { notification, action } = event;
  const { reply = null } = event as unknown as { reply?: string | null };
  notification.close();
  const openPage = (url: string) => worker.clients.openWindow(url);
  event.waitUntil(pressed(notification.data ?? {}, action, reply, { pages, openPage, withEngine }));
});

/** Windows with the app, not those with a file of somebody's. */
async function pages(): Promise<WindowClient[]> {
  const windows = await worker.clients.matchAll({ type: "window" });
  return windows.filter(({ url }) => isPage(new URL(url).pathname));
}

async function isSeen(): Promise<boolean> {
  return (await pages()).some(({ visibilityState }) => visibilityState === "visible");
}

function setBadge(unread: number): void {
  const { navigator } = worker as unknown as { navigator: { setAppBadge?(count: number): Promise<void> } };
  navigator.setAppBadge?.(unread).catch(() => undefined);
}

async function end(): Promise<void> {
  const subscription = await worker.registration.pushManager.getSubscription();
  await subscription?.unsubscribe();
}
