// Devices of openmls, in one process of tests/mls-client that is asked line by line.

import { spawn, type Child } from "node:child_process";
import type { Made, Member, Shown } from "./member";

export class OpenMls {
  readonly #child: Child;
  #failure: Error | undefined;
  readonly #waiting: { resolve(lines: string[]): void; reject(error: Error): void }[] = [];

  constructor(binary: string) {
    this.#child = spawn(binary, ["-", "serve"], { stdio: ["pipe", "pipe", "inherit"] });
    this.#child.once("error", (error) => this.#fail(new Error(`${binary}: ${String(error)}`)));
    void this.#read();
  }

  async member(account: string, device: string): Promise<OpenMember> {
    const name = `${account}/${device}`;
    await this.ask(`${name} new ${account} ${device}`);
    return new OpenMember(this, name);
  }

  ask(line: string): Promise<string[]> {
    // A binary that is not there has failed before anybody waits.
    if (this.#failure) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#child.stdin.write(`${line}\n`);
    });
  }

  end(): void {
    this.#child.stdin.end();
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    let text = "";
    for await (const piece of this.#child.stdout) {
      text += decoder.decode(piece, { stream: true });
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
        this.#answer(text.slice(0, end).split("\t"));
        text = text.slice(end + 1);
      }
    }
    this.#fail(new Error("mls-client has ended"));
  }

  #answer([verdict, ...lines]: string[]): void {
    const asked = this.#waiting.shift();
    if (verdict === "ok") asked?.resolve(lines);
    else asked?.reject(new Error(`openmls: ${lines.join(" ")}`));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const asked of this.#waiting.splice(0)) asked.reject(error);
  }
}

export class OpenMember implements Member {
  constructor(private readonly process: OpenMls, readonly identity: string) {}

  async keyPackage(): Promise<Uint8Array> {
    return bytes(await this.#ask("key-package"));
  }

  async found(group: string): Promise<Made> {
    return { groupInfo: bytes(await this.#ask(`create ${group}`)) };
  }

  async commit(group: string, add: Uint8Array[], remove: string[]): Promise<Made> {
    const changes = [...add.map((one) => `--add=${base64(one)}`), ...remove.map((one) => `--remove=${one}`)];
    return made(await this.#ask(["commit", group, ...changes].join(" ")));
  }

  async accepted(group: string): Promise<void> {
    await this.#ask(`accepted ${group}`);
  }

  async refused(group: string): Promise<void> {
    await this.#ask(`refused ${group}`);
  }

  async join(_: string, welcome: Uint8Array, tree: Uint8Array): Promise<void> {
    await this.#ask(`join < ${base64(welcome)} ${base64(tree)}`);
  }

  async joinExternally(_: string, groupInfo: Uint8Array, tree: Uint8Array): Promise<Made> {
    return made(await this.#ask(`join-externally < ${base64(groupInfo)} ${base64(tree)}`));
  }

  async send(group: string, text: string): Promise<Uint8Array> {
    return bytes(await this.#ask(`send ${group} < ${text}`));
  }

  async receive(group: string, message: Uint8Array): Promise<string> {
    return (await this.#ask(`receive ${group} < ${base64(message)}`)).join(" ");
  }

  async show(group: string): Promise<Shown> {
    const [epoch, exporter, ...members] = await this.#ask(`show ${group}`);
    return { epoch: epoch ?? "", exporter: exporter ?? "", members };
  }

  async tree(group: string): Promise<Uint8Array> {
    return bytes(await this.#ask(`tree ${group}`));
  }

  #ask(command: string): Promise<string[]> {
    return this.process.ask(`${this.identity} ${command}`);
  }
}

function made([handshake, welcome, groupInfo]: string[]): Made {
  return {
    handshake: bytes([handshake ?? ""]),
    welcome: welcome === "-" || welcome === undefined ? undefined : bytes([welcome]),
    groupInfo: bytes([groupInfo ?? ""]),
  };
}

function bytes([text]: string[]): Uint8Array {
  return Uint8Array.from(atob(text ?? ""), (character) => character.charCodeAt(0));
}

export function base64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
