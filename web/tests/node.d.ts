// Of Node.js, what the tests use that start a program.
declare module "node:child_process" {
  export interface Child {
    stdin: { write(text: string): void; end(): void };
    stdout: AsyncIterable<Uint8Array>;
    stderr: import("node:readline").Input;
    once(event: "exit" | "error", listener: (argument: unknown) => void): void;
    kill(signal: "SIGTERM" | "SIGKILL"): boolean;
  }
  export function spawn(program: string, args: string[], options: { cwd?: string; stdio: string[] }): Child;
  export function execFileSync(program: string, args: string[], options: { cwd?: string; encoding: "utf8" }): string;
}
declare module "node:crypto" {
  interface Hash { update(content: string | Uint8Array): Hash; digest(form: "hex"): string }
  export function createHash(name: "sha256"): Hash;
}
declare module "node:fs" {
  export function existsSync(path: string): boolean;
  export function mkdtempSync(prefix: string): string;
  export function readFileSync(path: string): Uint8Array;
  export function readdirSync(path: string, options: { recursive: true; withFileTypes: true }): { name: string; parentPath: string; isFile(): boolean }[];
  export function rmSync(path: string, options: { recursive: true }): void;
  export function writeFileSync(path: string, content: string): void;
}
declare module "node:net" {
  export interface Listener {
    listen(port: number, host: string, then: () => void): void;
    address(): { port: number };
    close(then: () => void): void;
  }
  export function createServer(): Listener;
}
declare module "node:os" {
  export function tmpdir(): string;
}
declare module "node:path" {
  export function join(...parts: string[]): string;
  export function relative(from: string, to: string): string;
}
declare module "node:readline" {
  export interface Input {
    readonly readable: boolean;
  }
  export function createInterface(options: { input: Input }): { on(event: "line", listener: (line: string) => void): void };
}
declare module "node:process" {
  export const env: Record<string, string | undefined>;
}
