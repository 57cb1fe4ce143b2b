// A real server, started once for a worker, with the default site and a listing beside it; and real media.
import { test as base } from "@playwright/test";
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

const target = process.env.CARGO_TARGET_DIR ?? resolve(import.meta.dirname, "../../target");
const program = process.env.WHIMBREL ?? join(target, "debug/whimbrel");
const START_MS_MAX = 30_000;

const CONFIG = `
[runtime]
drain_timeout_s = 1
[http]
listen = ["127.0.0.1:0"]
listen_tls = []
[xmpp]
retraction_within_s = 172800
listen = ["127.0.0.1:0"]
listen_tls = []
[call]
udp_listen = ["127.0.0.1:0"]
[admin]
listen = ["127.0.0.1:0"]
[log]
format = "json"
[[site]]
[[site]]
hosts = ["files.localhost"]
root = "files"
listing = true
`;

class Server {
  accounts = 0;
  /// The newest one-time code of each number.
  codes = new Map();

  static async start() {
    const server = new Server();
    server.folder = mkdtempSync(join(tmpdir(), "whimbrel-browser-"));
    server.writeFiles();
    const port = await server.launch(0);
    server.appUrl = `http://localhost:${port}`;
    // The default site answers the hosts that are not the app's.
    server.url = `http://127.0.0.1:${port}`;
    return server;
  }

  async launch(port) {
    writeFileSync(join(this.folder, "config.toml"), CONFIG.replace("127.0.0.1:0", `127.0.0.1:${port}`));
    this.process = spawn(program, ["serve", "-c", "config.toml"], {
      cwd: this.folder,
      stdio: ["ignore", "ignore", "pipe"],
    });
    return listening(this.process, this.codes);
  }

  /// Kills it, as a crash would.
  async kill() {
    const ended = new Promise((done) => this.process.once("exit", done));
    this.process.kill("SIGKILL");
    await ended;
  }

  /// Starts it again, at the address that it had.
  async restart() {
    await this.launch(new URL(this.appUrl).port);
  }

  /// A number that nobody has had. Berlin 23125 000 to 999 is kept for films.
  number() {
    return `+493023125${String(this.accounts++).padStart(3, "0")}`;
  }

  /// The newest code that was sent to a number. It is told once.
  async code(number) {
    await expect.poll(() => this.codes.get(number), { intervals: [20] }).toBeTruthy();
    const code = this.codes.get(number);
    this.codes.delete(number);
    return code;
  }

  /// The address of the site with a listing.
  get filesUrl() {
    return this.appUrl.replace("localhost", "files.localhost");
  }

  writeFiles() {
    const files = join(this.folder, "files");
    for (const folder of ["Holidays 2026", "Straße & Söhne"]) {
      mkdirSync(join(files, folder), { recursive: true });
    }
    writeFileSync(join(files, "Holidays 2026/harbour.txt"), "a quiet harbour\n");
    writeFileSync(join(files, "notes.txt"), "x".repeat(2048));
    writeFileSync(join(files, "film with a very long name that a phone must wrap.mp4"), "x".repeat(3_500_000));
    writeFileSync(join(files, "<b>no markup.html"), "<p>a page</p>");
    writeFileSync(join(files, ".hidden"), "hidden");
  }

  /// What an operator types, and what is printed.
  command(...args) {
    const options = { cwd: this.folder, encoding: "utf8" };
    return execFileSync(program, [...args, "-c", "config.toml"], options).trim();
  }

  /// A token for uploads, as an operator gets it.
  token() {
    return this.command("media", "token");
  }

  /// Where XMPP is spoken over WebSocket.
  get chatUrl() {
    return this.appUrl;
  }

  /// A new account of someone who chats.
  account() {
    const password = "correct horse";
    const number = this.number();
    return { jid: this.command("account", "add", number, "--password", password), number, password };
  }

  /// Writes a file, and returns its path.
  file(name, content) {
    const path = join(this.folder, name);
    writeFileSync(path, content);
    return path;
  }

  /// Runs ffmpeg, and returns the path of what it made.
  ffmpeg(name, ...args) {
    const path = join(this.folder, name);
    execFileSync("ffmpeg", ["-v", "error", "-y", ...args, path]);
    return path;
  }

  async stop() {
    const ended = new Promise((done) => this.process.once("exit", done));
    this.process.kill("SIGTERM");
    await ended;
    rmSync(this.folder, { recursive: true });
  }
}

/// The port of plain HTTP, once everything listens. Codes that are sent go into `codes`.
function listening(child, codes) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("the server does not start")), START_MS_MAX);
    child.once("error", reject);
    child.once("exit", (status) => reject(new Error(`the server ended with ${status}`)));
    let port;
    createInterface({ input: child.stderr }).on("line", (line) => {
      const { message, address, number, code } = JSON.parse(line);
      if (code !== undefined) codes.set(number, String(code));
      if (message === "listening for http") port = address.split(":").at(-1);
      if (message === "listening for admin") {
        clearTimeout(late);
        resolve(port);
      }
    });
  });
}

export const test = base.extend({
  server: [
    async ({}, use) => {
      const server = await Server.start();
      await use(server);
      await server.stop();
    },
    { scope: "worker", timeout: START_MS_MAX },
  ],
  /// What the page's console says; the test fails if that is anything of weight.
  console: [
    async ({ page }, use) => {
      const lines = [];
      page.on("console", (line) => {
        if (["error", "warning"].includes(line.type())) lines.push(line.text());
      });
      page.on("pageerror", (error) => lines.push(String(error)));
      await use(lines);
      expect(lines, "the console is quiet").toEqual([]);
    },
    { auto: true },
  ],
});

export { expect } from "@playwright/test";
import { expect } from "@playwright/test";

/// The screens that people have.
export const SCREENS = {
  phone: { width: 390, height: 844 },
  desktop: { width: 1280, height: 800 },
};
