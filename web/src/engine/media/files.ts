// The page's side of files: gives each an address that the service worker answers, and tells the worker what
// lies behind it.

import type { Commands, EngineState, FileRef } from "../protocol";
import type { Answer, CommandName, Engine } from "../rpc";
import { FILES, type Asked, type Said } from "./asked";
import type { SealedAt } from "./opened-file";

export class Files {
  readonly #known = new Map<string, SealedAt>();
  readonly #worker: Promise<boolean>;

  /** @param script of the service worker */
  constructor(script: string) {
    this.#worker = this.#register(script);
  }

  /** Where a file that is uploaded is shown from. */
  async url({ digest, key, bytes, type, name, url }: FileRef): Promise<string> {
    if (url !== undefined) return openUrl(url);
    const file: SealedAt = { digest, key, bytes, type, name };
    if (!/^[0-9a-f]{64}$/.test(digest)) throw new RangeError("the file is not uploaded");
    // The first service worker may be a while until it is there.
    if (!(await this.#worker) && !globalThis.navigator?.serviceWorker?.controller) return blobUrl(file);
    const id = await idOf(file);
    this.#known.set(id, file);
    return FILES + id;
  }

  /** The app is locked, or has no account: nothing is known here any more, nor in the service worker. */
  forget(): void {
    this.#known.clear();
    globalThis.navigator?.serviceWorker?.controller?.postMessage({ type: "forget" } satisfies Said);
  }

  async #register(script: string): Promise<boolean> {
    const container = globalThis.navigator?.serviceWorker;
    if (!container) return false;
    container.addEventListener("message", ({ data, ports: [port] }: MessageEvent<Asked>) => {
      if (data.type === "file") port?.postMessage(this.#known.get(data.id));
    });
    // Messages wait until the page says that it takes them.
    container.startMessages();
    // It fetches all of the app: what the page needs first goes before.
    if (!container.controller) await loaded();
    try {
      await container.register(script, { scope: "/" });
      return container.controller !== null || (await controlled(container));
    } catch {
      // Private windows of some browsers have none.
      return false;
    }
  }
}

/** The engine, with files' addresses given here: the service worker asks the page for what is behind them. */
export function withFiles(engine: Engine, files: Files): Engine {
  const forget = ({ account }: EngineState) => {
    if (!account) files.forget();
  };
  forget(engine.state);
  engine.on("state", ({ state }) => forget(state));
  return {
    get state() {
      return engine.state;
    },
    on: (type, listener) => engine.on(type, listener),
    call: <N extends CommandName>(name: N, ...args: Parameters<Commands[N]>) => {
      if (name !== "fileUrl") return engine.call(name, ...args);
      return files.url(args[0] as FileRef) as Promise<Answer<N>>;
    },
  };
}

/** A file that nobody sealed. The own server may have several names; what lies elsewhere is only linked to. */
function openUrl(url: string): string {
  const { protocol, hostname, pathname, search, href } = new URL(url);
  if (protocol !== "https:" && protocol !== "http:") throw new RangeError("no page can show the file");
  return hostname === location.hostname ? `${location.origin}${pathname}${search}` : href;
}

function loaded(): Promise<unknown> {
  return document.readyState === "complete" ? Promise.resolve() : new Promise((resolve) => addEventListener("load", resolve, { once: true }));
}

function controlled(container: ServiceWorkerContainer): Promise<boolean> {
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve(container.controller !== null), CONTROL_MS_MAX);
    container.addEventListener("controllerchange", () => {
      clearTimeout(late);
      resolve(true);
    }, { once: true });
  });
}

/** Without a service worker the file is fetched as a whole. */
async function blobUrl(file: SealedAt): Promise<string> {
  const [{ openedStream }, { shownType }] = await Promise.all([import("./opened-file"), import("./answer")]);
  const opened = await new Response(await openedStream(file, 0, file.bytes)).arrayBuffer();
  return URL.createObjectURL(new Blob([opened], { type: shownType(file.type) ?? "application/octet-stream" }));
}

/** Another key for the same bytes, or another type, is another file: who sends such spoils only their own. */
async function idOf({ digest, key, bytes, type }: SealedAt): Promise<string> {
  const text = new TextEncoder().encode(`${digest} ${bytes} ${type} `);
  const all = new Uint8Array([...text, ...key]);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", all));
  return Array.from(hash.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const CONTROL_MS_MAX = 3_000;
