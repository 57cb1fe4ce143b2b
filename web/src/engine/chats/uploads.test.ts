import { blake3 } from "hash-wasm";
import { afterEach, expect, test, vi } from "vitest";
import { directChat } from "../conversations/direct";
import { KeptFile, type Kept } from "../media/kept-file";
import { Keeping } from "../media/keeping";
import { FileMedia, type Media, type Running } from "../media/media";
import type { UploadSource } from "../media/upload";
import type { ChatId, Message } from "../protocol";
import { Refusal } from "../refusal";
import { Store, StoreFull } from "../store/store";
import { Chats } from "./chats";
import { ADA, BOB, DOMAIN, World, type TestDevice } from "./world.test-support";

/** Files are kept as ever; uploads end when they are told to. */
class TestMedia extends FileMedia {
  readonly begun: { id: string; address: string | undefined; kept: Kept | Keeping; hear: Parameters<Media["start"]>[3]; end(error?: Refusal): void }[] = [];
  constructor(store: Store) {
    super(store, { origin: "https://example.org", token: () => Promise.reject(new Refusal("offline", "there is no server")) });
  }
  override start(...[id, kept, address, hear]: Parameters<Media["start"]>): Running {
    let end: (error?: Refusal) => void = () => undefined;
    const done = new Promise<void>((resolve, reject) => (end = (error) => (error ? reject(error) : resolve())));
    done.catch(() => undefined);
    this.begun.push({ id, address, kept, hear, end });
    return { done, pause: () => undefined, cancel: async () => end(new Refusal("cancelled", "it was cancelled")) };
  }
}

const world = new World();
afterEach(() => {
  vi.restoreAllMocks();
  for (const device of world.devices.splice(0)) device.chats.close();
  world.logs.clear();
});

const FILE = new Blob([Uint8Array.from({ length: 9_000_000 }, (_, at) => at % 251)], { type: "video/mp4" });
const FILM = { kind: "film", file: FILE, name: "a.mp4", caption: "look", width: 4, height: 3 } as const;

test("a file outlasts a reload, goes on where it was, and is gone from here once it is sent", async () => {
  const { device, media, chat } = await begin();
  const id = await device.do.send(chat, { content: FILM });
  await vi.waitUntil(() => media.begun.length === 1);
  media.begun[0]!.hear.begun("https://example.org/upload/1");
  media.begun[0]!.hear.progress({ sentBytes: 1_000_000, bytes: 9_000_144, isPaused: false });
  await vi.waitUntil(async () => (await device.do.uploads())[0]?.sentBytes === 1_000_000);
  await expect.poll(() => device.store.get<{ address: string }>("chats", ["upload", chat, id])).toMatchObject({ address: "https://example.org/upload/1" });

  const { media: again } = await reload(device);
  await vi.waitUntil(() => again.begun.length === 1);
  const [begun] = again.begun;
  expect(begun).toMatchObject({ id, address: "https://example.org/upload/1" });
  const kept = begun!.kept as Kept;
  const source = new KeptFile(device.store, id, kept);
  expect(await blake3(await bytesOf(source, 0, source.size))).toBe(kept.digest);
  expect(await bytesOf(source, 8_388_000, 8_389_000)).toEqual((await bytesOf(source, 0, 9_000_144)).slice(8_388_000, 8_389_000));
  expect(await last(device, chat)).toMatchObject({ id, status: "sending", content: { kind: "film", file: { digest: "" } } });
  begun!.end();
  await expect.poll(async () => (await last(device, chat)).content).toMatchObject({ kind: "film", caption: "look", file: { digest: kept.digest, bytes: 9_000_000 } });
  expect(await device.do.uploads()).toEqual([]);
  expect(await device.store.count("files")).toBe(0);
});

test("what is paused stays so through a reload; what has no network waits; what is refused can be tried again", async () => {
  const { device, media, chat } = await begin();
  const id = await device.do.send(chat, { content: FILM });
  await vi.waitUntil(() => media.begun.length === 1);
  await device.do.pauseUpload(id, true);
  const { media: second } = await reload(device);
  expect(await device.do.uploads()).toMatchObject([{ id, paused: true }]);
  expect(second.begun).toEqual([]);
  await device.do.pauseUpload(id, false);
  await vi.waitUntil(() => second.begun.length === 1);
  second.begun[0]!.end(new Refusal("offline", "no way"));
  await vi.waitFor(() => device.chats.online());
  await vi.waitUntil(async () => (await device.chats.online(), second.begun.length === 2));
  expect((await last(device, chat)).status).toBe("sending");
  second.begun[1]!.end(new Refusal("no-room", "the account is full"));
  await expect.poll(async () => (await last(device, chat)).error?.name).toBe("no-room");
  await device.do.retry(chat, id);
  await vi.waitUntil(() => second.begun.length === 3);
  expect((await last(device, chat)).status).toBe("sending");
});

test("deleting what waits, and a store without room, leave nothing behind", async () => {
  const { device, media, chat } = await begin();
  const id = await device.do.send(chat, { content: FILM });
  await vi.waitUntil(() => media.begun.length === 1);
  await device.do.deleteForEveryone(chat, [id]);
  expect((await device.do.messages(chat)).messages).toEqual([]);
  expect(await device.store.count("files")).toBe(0);

  const batch = device.store.batch.bind(device.store);
  let commits = 0;
  vi.spyOn(device.store, "batch").mockImplementation(() => {
    const made = batch();
    if (++commits === 2) vi.spyOn(made, "commit").mockRejectedValue(new StoreFull("no room"));
    return made;
  });
  await expect(device.do.send(chat, { content: FILM })).rejects.toThrow(StoreFull);
  expect((await device.do.messages(chat)).messages).toEqual([]);
  expect(await device.store.count("files")).toBe(0);
});

test("what a crash left half encrypted is swept away", async () => {
  const { device } = await begin();
  await new Keeping(device.store, "orphan", FILE).kept;
  expect(await device.store.count("files")).toBeGreaterThan(2);
  await reload(device);
  await expect.poll(() => device.store.count("files")).toBe(0);
});

async function begin(): Promise<{ device: TestDevice; media: TestMedia; chat: ChatId }> {
  const chat = await directChat(DOMAIN, ADA, BOB);
  const device = await world.device(ADA);
  world.change(chat, ADA, [{ type: "created" }, { type: "added", account: BOB, affiliation: "owner" }]);
  await world.settle();
  const { media } = await reload(device);
  return { device, media, chat };
}

/** The page goes, and a new one opens the same store. */
async function reload(device: TestDevice): Promise<{ media: TestMedia }> {
  device.chats.close();
  const media = new TestMedia(device.store);
  device.chats = await Chats.open(device.context, { media });
  // It recovers what was left once all parts are there.
  await new Promise((resolve) => setTimeout(resolve, 20));
  return { media };
}

async function bytesOf(source: UploadSource, start: number, end: number): Promise<Uint8Array> {
  return new Uint8Array(await new Blob([await source.slice(start, end)]).arrayBuffer());
}

async function last(device: TestDevice, chat: ChatId): Promise<Message> {
  return (await device.do.messages(chat)).messages.at(-1)!;
}
