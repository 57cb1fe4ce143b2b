import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { sharedIn } from "./shared";
import { isPage, Shell } from "./shell";

/** Of the Cache API what is used. */
class FakeCaches {
  readonly kept = new Map<string, Map<string, Response>>();

  async open(name: string) {
    const files = this.kept.get(name) ?? new Map<string, Response>();
    this.kept.set(name, files);
    return {
      match: async (path: string) => files.get(path)?.clone(),
      put: async (path: string, response: Response) => void files.set(path, response),
    };
  }

  async match(path: string) {
    for (const files of this.kept.values()) if (files.has(path)) return files.get(path)?.clone();
    return undefined;
  }

  async keys() {
    return [...this.kept.keys()];
  }

  async delete(name: string) {
    return this.kept.delete(name);
  }
}

// SHA-256 of "page 1" and "page 2".
const digest = async (text: string) => Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))), (byte) => byte.toString(16).padStart(2, "0")).join("");
let server: Record<string, string>;
let fetched: string[];

beforeEach(() => {
  vi.stubGlobal("caches", new FakeCaches());
  fetched = [];
  vi.stubGlobal("fetch", async (asked: string | Request) => {
    const path = typeof asked === "string" ? asked : new URL(asked.url).pathname;
    fetched.push(path);
    return new Response(server[path] ?? "", { status: path in server ? 200 : 404 });
  });
});
afterEach(() => vi.unstubAllGlobals());

test("a version is kept whole, answers without a network, and goes with the next one", async () => {
  server = { "/": "page 1", "/assets/a-1.js": "a1", "/icon.svg": "icon" };
  const first = new Shell({ paths: ["/assets/a-1.js", "/icon.svg"], page: await digest("page 1") }, "1");
  await first.install();
  await first.activate();
  server = { "/": "page 2", "/assets/a-1.js": "a1", "/assets/b-2.js": "b2", "/icon.svg": "icon" };
  fetched = [];
  const second = new Shell({ paths: ["/assets/a-1.js", "/assets/b-2.js", "/icon.svg"], page: await digest("page 2") }, "2");
  await second.install();
  expect(fetched.sort(), "what is the same is not fetched again").toEqual(["/", "/assets/b-2.js", "/icon.svg"]);

  // Until it takes over, the pages that are open get the version that they are of.
  server = {};
  const page = (shell: Shell) => shell.answer({ mode: "navigate" } as Request, new URL("https://x/chats/a")).then((answer) => answer.text());
  expect(await page(first)).toBe("page 1");
  expect(await page(second)).toBe("page 2");
  await second.activate();
  expect(await caches.keys()).toEqual(["whimbrel-shell-2"]);
});

test("a page of another version is not mixed with these files", async () => {
  server = { "/": "page 2", "/assets/a-1.js": "a1" };
  const shell = new Shell({ paths: ["/assets/a-1.js"], page: await digest("page 1") }, "1");
  await expect(shell.install()).rejects.toThrow("another version");
});

test.each([
  ["/", true], ["/chats/a", true], ["/index.html", true], ["/link/x", true],
  ["/api/v1/account", false], ["/media/ab", false], ["/file/ab", false], ["/share", false], ["/notes.txt", false],
])("%s is the page: %s", (path, expected) => {
  expect(isPage(path)).toBe(expected);
});

test("what is shared is text once, and files", () => {
  const form = new FormData();
  form.append("title", "Whimbrels");
  form.append("text", "Whimbrels at the hide https://example.org/w");
  form.append("url", "https://example.org/w");
  form.append("files", new File(["x"], "a.txt"));
  form.append("files", new File([], "empty.txt"));
  expect(sharedIn(form)).toMatchObject({ text: "Whimbrels at the hide https://example.org/w", files: [{ name: "a.txt" }] });
  const twice = new FormData();
  twice.append("title", "same");
  twice.append("text", "same");
  expect(sharedIn(twice)).toEqual({ text: "same", files: [] });
});
