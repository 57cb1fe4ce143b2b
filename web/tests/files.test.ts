// Files between two people, against a real server.

import "fake-indexeddb/auto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { answerFile } from "../src/engine/media/answer";
import type { FileRef, Message } from "../src/engine/protocol";
import { Company, type Person } from "./person";
import { LEFT_OUT, WHIMBREL } from "./server";
import { cutUploads, mendUploads } from "./tus-in-node";

describe.skipIf(WHIMBREL === undefined)(`files${LEFT_OUT}`, () => {
  let company: Company;
  let ada: Person;
  let bob: Person;
  const answered: string[] = [];
  beforeAll(async () => {
    company = await Company.begin(2);
    [ada, bob] = company.people as [Person, Person];
    // A page's addresses begin with its server.
    const { fetch } = globalThis;
    vi.stubGlobal("fetch", async (at: string, init?: RequestInit) => {
      const url = new URL(at, company.server.url);
      const response = await fetch(url, init);
      answered.push(`${init?.method ?? "GET"} ${url.pathname} ${response.status}`);
      return response;
    });
  }, 60_000);
  afterEach(() => void (ada.events.length = 0));
  afterAll(async () => {
    vi.unstubAllGlobals();
    await company.end();
  });

  test("is sent, and read by the other, whole and by a range", async () => {
    const chat = (await ada.call("openDirect", bob.account)).id;
    await sendTo(chat);
    const file = await received(chat, 1);
    expect(file).toMatchObject({ bytes: SIZE, name: "big.bin", type: "video/mp4" });
    await expectRead(file, undefined, content);
    await expectRead(file, "bytes=5000000-5000099", content.slice(5_000_000, 5_000_100));
    const uploads = ada.events.filter((event) => event.type === "upload");
    expect(uploads.length).toBeGreaterThan(2);
    const last = uploads.at(-1)!;
    expect(last).toMatchObject({ sentBytes: last.bytes, paused: false });
  }, 60_000);

  test("is kept for whoever forwards it", async () => {
    const chat = (await bob.call("openDirect", ada.account)).id;
    const { id } = (await bob.messages(chat))[0]!;
    await bob.call("forward", chat, [id], [chat]);
    expect(answered).toContain("POST /api/v1/references 204");
    await expectRead(await received(chat, 2), undefined, content);
  }, 60_000);

  test("is paused and goes on, and another is cancelled", async () => {
    const chat = (await ada.call("openDirect", bob.account)).id;
    const first = cutUploads(5_000_000);
    const id = await sendTo(chat);
    await first;
    await ada.call("pauseUpload", id, true);
    mendUploads();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await bob.messages(chat)).length).toBe(2);
    await ada.call("pauseUpload", id, false);
    await expectRead(await received(chat, 3), undefined, content);
    const second = cutUploads(5_000_000);
    const other = await sendTo(chat);
    await second;
    await ada.call("cancelUpload", other);
    mendUploads();
    await expect.poll(async () => (await ada.messages(chat)).at(-1)?.error?.name, { timeout: 10_000 }).toBe("cancelled");
  }, 60_000);

  test("outlasts the app, and goes on where the server has it", async () => {
    const chat = (await ada.call("openDirect", bob.account)).id;
    const before = (await bob.messages(chat)).length;
    const cut = cutUploads(10_000_000);
    const id = await sendTo(chat);
    await cut;
    await ada.stop();
    ada.events.length = 0;
    mendUploads();
    await ada.start();
    await expectRead(await received(chat, before + 1), undefined, content);
    const first = ada.events.find((event) => event.type === "upload" && event.id === id && event.sentBytes > 0);
    expect(first).toMatchObject({ sentBytes: expect.toSatisfy((bytes: number) => bytes >= 10_000_000) });
    expect(await ada.call("uploads")).toEqual([]);
  }, 60_000);

  test("lies on the server's disk as nobody can read it", () => {
    const files = readdirSync(company.server.folder, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
    const decoder = new TextDecoder("latin1");
    for (const { name, parentPath } of files) {
      expect(decoder.decode(readFileSync(join(parentPath, name))).includes(PLAIN), name).toBe(false);
    }
  }, 60_000);

  async function sendTo(chat: string): Promise<string> {
    const draft = { kind: "film", file: new Blob([content], { type: "video/mp4" }), name: "big.bin", caption: "", width: 1, height: 1 } as const;
    return ada.call("send", chat, { content: draft });
  }

  async function received(chat: string, count: number): Promise<FileRef> {
    await expect.poll(async () => (await bob.messages(chat)).length, { timeout: 30_000 }).toBe(count);
    return fileOf((await bob.messages(chat)).at(-1));
  }
});

function fileOf(message: Message | undefined): FileRef {
  if (message?.content.kind !== "film") throw new Error(`this is no film but ${message?.content.kind}`);
  return message.content.file;
}

async function expectRead(file: FileRef, range: string | undefined, expected: Uint8Array): Promise<void> {
  const request = new Request("http://localhost/file/x", { headers: range === undefined ? {} : { Range: range } });
  const answer = await answerFile(file, request);
  expect(answer.status).toBe(range === undefined ? 200 : 206);
  const read = new Uint8Array(await answer.arrayBuffer());
  expect(read.length).toBe(expected.length);
  expect(read.every((byte, at) => byte === expected[at])).toBe(true);
}

const SIZE = 20_000_003;
const PLAIN = "what the film shows";
const content = new Uint8Array(SIZE);
for (let at = 0; at < SIZE; at++) content[at] = PLAIN.charCodeAt(at % PLAIN.length);
