// A real server for tests: the program that the variable WHIMBREL names, in a folder of its own. It keeps
// its port through a restart, as a server does.

import { spawn, type Child } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import { createInterface } from "node:readline";

/** The program, if there is one to test with. */
export const WHIMBREL = env["WHIMBREL"] !== undefined && existsSync(env["WHIMBREL"]) ? env["WHIMBREL"] : undefined;
/** Where tests are left out, this says why. */
export const LEFT_OUT = WHIMBREL === undefined ? " (left out: the variable WHIMBREL names no program)" : "";

export class Server {
  readonly folder = mkdtempSync(join(tmpdir(), "whimbrel-web-"));
  readonly #port: number;
  readonly #codes = new Map<string, string>();
  #process: Child | undefined;
  #numbers = 0;

  static async start(): Promise<Server> {
    const server = new Server(await freePort());
    await server.start();
    return server;
  }

  private constructor(port: number) {
    this.#port = port;
    writeFileSync(join(this.folder, "config.toml"), configuration(port));
  }

  get url(): string {
    return `http://localhost:${this.#port}`;
  }

  /** One that nobody has had. Berlin 23125 000 to 999 is kept for films. */
  number(): string {
    return `+493023125${String(this.#numbers++).padStart(3, "0")}`;
  }

  /** @returns once it listens. */
  async start(): Promise<void> {
    const child = spawn(WHIMBREL ?? "", ["serve", "-c", "config.toml"], { cwd: this.folder, stdio: ["ignore", "ignore", "pipe"] });
    this.#process = child;
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error("the server does not start")), START_MS_MAX);
      child.once("error", reject);
      child.once("exit", (status) => reject(new Error(`the server ended with ${String(status)}`)));
      createInterface({ input: child.stderr }).on("line", (line) => {
        const said = JSON.parse(line) as { message: string; number?: string; code?: string };
        if (said.number !== undefined && said.code !== undefined) this.#codes.set(said.number, said.code);
        if (said.message !== "listening for admin") return;
        clearTimeout(late);
        resolve();
      });
    });
  }

  /** The code that the log shows for a number. */
  async code(number: string): Promise<string> {
    for (let tries = 0; tries < 100; tries++) {
      const code = this.#codes.get(number);
      this.#codes.delete(number);
      if (code !== undefined) return code;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`no code was sent to ${number}`);
  }

  /** As a crash ends it: nothing is written behind the moment. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.#end("SIGTERM");
    rmSync(this.folder, { recursive: true });
  }

  #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child) return Promise.resolve();
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill(signal);
    return ended;
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const listener = createServer();
    listener.listen(0, "127.0.0.1", () => {
      const { port } = listener.address();
      listener.close(() => resolve(port));
    });
  });
}

function configuration(port: number): string {
  return `
[runtime]
drain_timeout_s = 1
[http]
listen = ["127.0.0.1:${port}"]
listen_tls = []
[xmpp]
listen = ["127.0.0.1:0"]
listen_tls = []
[call]
udp_listen = ["127.0.0.1:0"]
[admin]
listen = ["127.0.0.1:0"]
[log]
format = "json"
[[site]]
`;
}

const START_MS_MAX = 30_000;
