// Answers `/file/ID` with what it fetches and decrypts. Which file that is, and its key, it asks of the page
// that wants it; it keeps them in memory alone, so that they go with it.

import { answerFile } from "../engine/media/answer";
import { FILES, type Asked, type Said } from "../engine/media/asked";
import type { SealedAt } from "../engine/media/opened-file";

const worker = globalThis as unknown as ServiceWorkerGlobalScope;
const known = new Map<string, SealedAt>();

worker.addEventListener("install", () => void worker.skipWaiting());
worker.addEventListener("activate", (event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener("message", ({ data }) => {
  if ((data as Said | undefined)?.type === "forget") known.clear();
});
worker.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (url.origin !== worker.location.origin || !url.pathname.startsWith(FILES) || event.request.method !== "GET") return;
  event.respondWith(answer(url.pathname.slice(FILES.length), event));
});

async function answer(id: string, { request, clientId }: FetchEvent): Promise<Response> {
  const file = known.get(id) ?? (await ask(id, clientId));
  if (!file) return new Response(null, { status: 404 });
  remember(id, file);
  return answerFile(file, request);
}

/** The page that wants it knows it; where it is shown in a window of its own, any other page may. */
async function ask(id: string, clientId: string): Promise<SealedAt | undefined> {
  const wanting = await worker.clients.get(clientId);
  const pages = wanting ? [wanting] : await worker.clients.matchAll({ type: "window" });
  for (const page of pages) {
    const file = await askPage(page, id);
    if (file) return file;
  }
  return undefined;
}

function askPage(page: Client, id: string): Promise<SealedAt | undefined> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    const late = setTimeout(() => resolve(undefined), ANSWER_MS_MAX);
    port1.onmessage = ({ data }: MessageEvent<SealedAt | undefined>) => {
      clearTimeout(late);
      port1.close();
      resolve(data);
    };
    page.postMessage({ type: "file", id } satisfies Asked, [port2]);
  });
}

function remember(id: string, file: SealedAt): void {
  known.delete(id);
  known.set(id, file);
  const [oldest] = known.keys();
  if (known.size > KNOWN_MAX && oldest !== undefined) known.delete(oldest);
}

const ANSWER_MS_MAX = 5_000;
const KNOWN_MAX = 500;
