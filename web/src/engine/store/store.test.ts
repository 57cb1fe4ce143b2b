import "fake-indexeddb/auto";
import { openDB } from "idb";
import { beforeEach, expect, test, vi } from "vitest";
import { CborError, decode, encode } from "./cbor";
import { Store, type Range, type Row } from "./store";

let name: string;
let store: Store;
beforeEach(async () => {
  name = crypto.randomUUID();
  store = await Store.open(name);
});

test("a batch is kept through a restart", async () => {
  await store.batch().put("meta", "self", { account: "k7qm", bytes: new Uint8Array([1, 2]) }).put("chats", "c", 1).commit();
  store.close();
  const again = await Store.open(name);
  expect(await again.get("meta", "self")).toEqual({ account: "k7qm", bytes: new Uint8Array([1, 2]) });
  expect(await again.get("chats", "c")).toBe(1);
});

test("a batch with what cannot be kept changes nothing", async () => {
  const batch = store.batch().put("meta", "a", 1).put("chats", "b", () => 0);
  await expect(batch.commit()).rejects.toThrow("a function cannot be kept");
  expect(await store.get("meta", "a")).toBeUndefined();
});

test("ranges of a chat's messages", async () => {
  const batch = store.batch();
  for (const chat of ["a", "b"]) {
    for (const order of ["01", "02", "03", "~1"]) batch.put("messages", [chat, order], { id: `${chat}${order}` });
  }
  await batch.commit();
  const ids = (rows: Row<{ id: string }>[]) => rows.map((row) => row.value.id);
  expect(ids(await store.range("messages", { prefix: ["a"] }))).toEqual(["a01", "a02", "a03", "a~1"]);
  expect(ids(await store.range("messages", { prefix: ["a"], after: ["a", "02"] }))).toEqual(["a03", "a~1"]);
  expect(ids(await store.range("messages", { prefix: ["b"], before: ["b", "03"], reverse: true, count: 1 }))).toEqual(["b02"]);
  expect(ids(await store.range("messages", { prefix: ["c"] }))).toEqual([]);
  expect((await store.message<{ id: string }>("b", "b02"))?.key).toEqual(["b", "02"]);
  expect(await store.message("a", "b02")).toBeUndefined();
  await store.batch().deleteRange("messages", { prefix: ["a"] }).commit();
  expect(await store.count("messages")).toBe(4);
});

test("a batch reads what it will have changed", async () => {
  const message = (id: string) => ({ id });
  await store.batch().put("messages", ["a", "01"], message("x")).put("messages", ["a", "~1"], message("y")).commit();
  const batch = store.batch().delete("messages", ["a", "~1"]).put("messages", ["a", "02"], message("y"));
  expect((await batch.message("a", "y"))?.key).toEqual(["a", "02"]);
  expect((await batch.message("a", "x"))?.key).toEqual(["a", "01"]);
  const newest = await batch.range("messages", { prefix: ["a"], reverse: true, count: 2 });
  expect(newest.map((row) => row.key)).toEqual([["a", "02"], ["a", "01"]]);
  batch.deleteRange("messages", { prefix: ["a"] }).put("messages", ["a", "03"], message("z"));
  expect(await batch.message("a", "x")).toBeUndefined();
  expect(await batch.range("messages", { count: 5 })).toEqual([{ key: ["a", "03"], value: { id: "z" } }]);
  expect(await store.count("messages")).toBe(2);
  await batch.commit();
  expect(await store.count("messages")).toBe(1);
});

test("nothing that is kept lies open", async () => {
  await store.batch().put("messages", ["c", "01"], { id: "m", text: "the plaintext" } as { id: string }).commit();
  const raw = await openDB(name);
  const record = (await raw.get("messages", ["c", "01"])) as { sealed: Uint8Array };
  expect(new TextDecoder().decode(record.sealed)).not.toContain("plaintext");
  expect(((await raw.get("keys", "sealing")) as { device: CryptoKey }).device.extractable).toBe(false);
  // Moved to another place it does not open.
  await raw.put("messages", record, ["c", "02"]);
  await expect(store.get("messages", ["c", "02"])).rejects.toThrow();
});

test("values come back as they were", () => {
  const values = [0, 23, 24, 255, 256, 2 ** 31, 2 ** 52, -1, -1000, 1.5, -0, 5n, -5n, 2n ** 64n - 1n, "", "ü€😀", null, true];
  for (const value of values) expect(decode(encode(value))).toEqual(value);
  expect(decode(encode({ a: [undefined, { b: new Uint8Array(300) }], c: undefined }))).toEqual({
    a: [undefined, { b: new Uint8Array(300) }],
  });
});

test("bytes that are no value are refused", () => {
  for (const hex of ["", "18", "9bffffffffffffffff", "9a7fffffff", "a10102", "61ff", "f8ff", "c101", "0000", "81".repeat(100)]) {
    const bytes = Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
    expect(() => decode(bytes), hex).toThrow(CborError);
  }
});

test("what a batch deletes by a range is gone for it, and what it puts afterwards stays", async () => {
  const before = store.batch();
  for (const order of ["01", "02", "03"]) before.put("messages", ["a", order], { id: `m${order}` });
  await before.commit();
  const batch = store.batch();
  batch.put("messages", ["a", "~1"], { id: "m4" }).delete("messages", ["a", "02"]);
  const ids = async (range: Range) => (await batch.range<{ id: string }>("messages", range)).map((row) => row.value.id);
  expect(await ids({ prefix: ["a"], reverse: true, count: 2 })).toEqual(["m4", "m03"]);
  batch.deleteRange("messages", { prefix: ["a"] }).put("messages", ["a", "05"], { id: "m5" });
  expect(await ids({ prefix: ["a"], count: 1 })).toEqual(["m5"]);
  expect(await batch.message("a", "m4")).toBeUndefined();
  expect(await batch.message("a", "m01")).toBeUndefined();
  expect((await batch.message("a", "m5"))?.key).toEqual(["a", "05"]);
  await batch.commit();
  expect((await store.range<{ id: string }>("messages")).map((row) => row.value.id)).toEqual(["m5"]);
});

test("a table is weighed as it lies on the disk", async () => {
  const batch = store.batch();
  for (let number = 0; number < 1_200; number++) batch.put("search", ["tail", number], "x".repeat(100));
  await batch.commit();
  const bytes = await store.weigh("search");
  expect(bytes).toBeGreaterThan(1_200 * 100);
  expect(bytes).toBeLessThan(1_200 * 140);
  expect(await store.weigh("files")).toBe(0);
});

test("what is read is what was written last, in memory or on the disk", async () => {
  await store.batch().put("meta", "a", { n: 1 }).put("outbox", ["c", 1], "one").put("outbox", ["d", 1], "other").commit();
  const read = await store.get<{ n: number }>("meta", "a");
  read!.n = 9;
  expect(await store.get("meta", "a")).toEqual({ n: 1 });
  expect(await store.get("meta", "b")).toBeUndefined();
  const waiting = async () => (await store.range("outbox", { prefix: ["c"], reverse: true })).map(({ value }) => value);
  expect(await waiting()).toEqual(["one"]);
  const early = store.get("meta", "a");
  const writing = [2, 3].map((n) => store.batch().put("meta", "a", { n }).put("meta", "b", n).put("outbox", ["c", n], `${n}`).commit());
  const meanwhile = store.get("meta", "a");
  await Promise.all([...writing, early, meanwhile]);
  const refused = store.batch().put("meta", "a", { n: 4 }).delete("outbox", ["c", 1]);
  vi.spyOn(IDBDatabase.prototype, "transaction").mockImplementationOnce(() => {
    throw new DOMException("no room", "QuotaExceededError");
  });
  await expect(refused.commit()).rejects.toThrow("no room");
  for (const _ of ["memory", "disk"]) {
    expect([await store.get("meta", "a"), await store.get("meta", "b"), await waiting()]).toEqual([{ n: 3 }, 3, ["3", "2", "one"]]);
    store.close();
    store = await Store.open(name);
  }
  await store.batch().delete("meta", "b").deleteRange("outbox", { prefix: ["c"] }).put("outbox", ["c", 7], "7").commit();
  expect([await store.get("meta", "b"), await waiting()]).toEqual([undefined, ["7"]]);
  expect(await store.range("outbox")).toHaveLength(2);
});
