// The app itself, kept whole: it opens without a network, and each page runs the files of one version to its end.
// A newer version is fetched beside it, and takes over when no page is left or the user says so.

/** The files that are kept from the beginning, and what the page's bytes hash to (SHA-256, hexadecimal). */
export interface ShellFiles {
  paths: string[];
  page: string;
}

export class Shell {
  readonly #files: ShellFiles;
  readonly #name: string;

  /** @param version names what is kept. */
  constructor(files: ShellFiles, version: string) {
    this.#files = files;
    this.#name = PREFIX + version;
  }

  /** Fetches what is not there yet. @throws where the server has another version by now: the browser tries again. */
  async install(): Promise<void> {
    const cache = await caches.open(this.#name);
    const page = await fetch("/", { cache: "no-cache" });
    if (!page.ok || (await digestOf(await page.clone().arrayBuffer())) !== this.#files.page) throw new Error("the server's page is of another version");
    await Promise.all(this.#files.paths.map(async (path) => {
      // Named by their content: those of the version before are as good.
      const kept = path.startsWith(ASSETS) ? await caches.match(path) : undefined;
      const file = kept ?? (await fetch(path, path.startsWith(ASSETS) ? {} : { cache: "no-cache" }));
      if (!file.ok) throw new Error(`${path}: ${file.status}`);
      await cache.put(path, file);
    }));
    await cache.put(PAGE, page);
  }

  /** Removes other versions. */
  async activate(): Promise<void> {
    const names = await caches.keys();
    await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== this.#name).map((name) => caches.delete(name)));
  }

  /** @returns whether the request is for one of the app's files. */
  has(request: Request, url: URL): boolean {
    if (request.method !== "GET") return false;
    if (request.mode === "navigate") return isPage(url.pathname);
    return url.pathname.startsWith(ASSETS) || this.#files.paths.includes(url.pathname);
  }

  async answer(request: Request, url: URL): Promise<Response> {
    const cache = await caches.open(this.#name);
    const kept = await cache.match(request.mode === "navigate" ? PAGE : url.pathname);
    if (kept) return kept;
    const fetched = await fetch(request);
    // What few use is kept from when it is used.
    if (fetched.ok && url.pathname.startsWith(ASSETS)) await cache.put(url.pathname, fetched.clone());
    return fetched;
  }
}

/** All paths are the page's, but for the server's own and for names of files. */
export function isPage(path: string): boolean {
  const [, first = ""] = path.split("/");
  const last = path.slice(path.lastIndexOf("/") + 1);
  return !OTHERS.has(first) && (!last.includes(".") || path === PAGE);
}

async function digestOf(bytes: ArrayBuffer): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const PREFIX = "whimbrel-shell-";
const PAGE = "/index.html";
const ASSETS = "/assets/";
/** The server's own, and files. */
const OTHERS = new Set(["api", "media", "upload", "file", "xmpp-websocket", ".well-known", "assets", "share"]);
