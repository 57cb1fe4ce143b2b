// Answers `/file/ID` with what it fetches and decrypts. Which file that is, and its key, it asks of the page
// that wants it; it keeps them in memory alone, so that they go with it.

import { answerFile } from "../engine/media/answer";
import type { Asked } from "../engine/media/asked";
import type { SealedAt } from "../engine/media/opened-file";

export class OpenedFiles {
  readonly #clients: Clients;
  readonly #known = new Map<string, SealedAt>();

  constructor(clients: Clients) {
    this.#clients = clients;
  }

  async answer(id: string, { request, clientId }: FetchEvent): Promise<Response> {
    const file = this.#known.get(id) ?? (await this.#ask(id, clientId));
    if (!file) return new Response(null, { status: 404 });
    this.#remember(id, file);
    return answerFile(file, request);
  }

  /** The app is locked, or nobody is signed in any more. */
  forget(): void {
    this.#known.clear();
  }

  /** The page that wants it knows it; where it is shown in a window of its own, any other page may. */
  async #ask(id: string, clientId: string): Promise<SealedAt | undefined> {
    const wanting = await this.#clients.get(clientId);
    const pages = wanting ? [wanting] : await this.#clients.matchAll({ type: "window" });
    for (const page of pages) {
      const file = await askPage(page, id);
      if (file) return file;
    }
    return undefined;
  }

  #remember(id: string, file: SealedAt): void {
    this.#known.delete(id);
    this.#known.set(id, file);
    const [oldest] = this.#known.keys();
    if (this.#known.size > KNOWN_MAX && oldest !== undefined) this.#known.delete(oldest);
  }
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

const ANSWER_MS_MAX = 5_000;
const KNOWN_MAX = 500;
