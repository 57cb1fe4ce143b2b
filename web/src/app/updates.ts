// A newer version of the app: it waits beside this one, and takes over in all pages at once when the user says so.
import type { App } from "./context";
import type { ToWorker } from "../service-worker/messages";

/** Says when there is one. @returns what ends it. */
export function watchUpdates({ toasts, words }: Pick<App, "toasts" | "words">): () => void {
  const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  if (!container) return () => undefined;
  let registration: ServiceWorkerRegistration | undefined;
  let isOver = false;

  const offer = () => {
    const { waiting } = registration ?? {};
    // Where no page is run by an older one it just begins.
    if (isOver || !waiting || !container.controller) return;
    const takeOver = () => waiting.postMessage({ type: "take-over" } satisfies ToWorker);
    toasts.show(words.app.newVersion, "plain", { label: words.app.reload, run: takeOver }, "stays");
  };
  const found = () => registration?.installing?.addEventListener("statechange", offer);
  const look = () => {
    if (document.visibilityState === "visible") registration?.update().catch(() => undefined);
  };
  void container.ready.then((ready) => {
    registration = ready;
    offer();
    ready.addEventListener("updatefound", found);
  });
  const looking = setInterval(look, LOOK_EVERY_MS);
  return () => {
    isOver = true;
    clearInterval(looking);
    registration?.removeEventListener("updatefound", found);
  };
}

/** Pages of two versions never run side by side: each begins anew with the service worker that took over. */
export function reloadWithUpdates(): void {
  const container = navigator.serviceWorker as ServiceWorkerContainer | undefined;
  let controller = container?.controller;
  container?.addEventListener("controllerchange", () => {
    // The first one finds the page as it is.
    if (controller) location.reload();
    controller = container.controller;
  });
}

const LOOK_EVERY_MS = 3_600_000;
