import "fake-indexeddb/auto";
import { beforeEach, expect, test, vi } from "vitest";
import { random } from "../content/random.test-support";
import { Store } from "../store/store";
import { Index } from "./index";
import { needlesOf, wordsOf } from "./words";

let store: Store;
let index: Index;
beforeEach(async () => {
  store = await Store.open(crypto.randomUUID());
  index = await Index.open(store);
});

test.each([
  ["Crème Brûlée", "creme bru"],
  ["Die Straße nach Köln", "strasse koln"],
  ["ΟΔΥΣΣΕΥΣ", "οδυσσευς"],
  ["Ёлка и ещё", "елка еще"],
  ["İstanbul'da", "istanbul"],
  ["مُحَمَّد", "محمد"],
  ["नमस्ते दुनिया", "नमस्ते दुनि"],
  ["東京都に行きました", "京都"],
  ["สวัสดีชาวโลก", "ชาว"],
  ["See https://example.org/terns?id=5", "example tern"],
  ["ﬁnal ２０２６", "final 2026"],
])("%s is found by %s", async (text, question) => {
  await add(text);
  expect(await index.find(question, undefined, 10)).toHaveLength(1);
});

test("by the beginnings of all its words, in whatever order, and by nothing else", async () => {
  await add("The arctic tern flies far");
  for (const question of ["tern", "FAR ter", "arc fl the"]) expect(await index.find(question, undefined, 9), question).toHaveLength(1);
  for (const question of ["ern", "tern owl", "", "…"]) expect(await index.find(question, undefined, 9), question).toEqual([]);
});

test("packed or not, after a restart and in one chat alone, the newest first; what has gone is nowhere", async () => {
  const next = random(3);
  const numbers = new Map<number, number>();
  for (let number = 0; number < 1_300; number++) numbers.set(number, await add(`tern ${number} word${next(50)}`, number, number % 2 ? "a" : "b"));
  await index.pack();
  const batch = store.batch();
  for (const number of [7, 1_299]) index.remove(batch, numbers.get(number) ?? 0);
  await batch.commit();
  for (const round of ["fresh", "packed", "restarted"]) {
    if (round === "packed") await index.pack();
    if (round === "restarted") index = await Index.open(store);
    const found = await index.find("tern", "a", 5);
    expect(found.map(({ order }) => Number.parseInt(order, 16)), round).toEqual([1_297, 1_295, 1_293, 1_291, 1_289]);
    expect(await index.find("tern 7 word", undefined, 2_000), round).not.toContainEqual(expect.objectContaining({ order: orderOf(7) }));
    expect(await index.find("tern", undefined, 2_000), round).toHaveLength(1_298);
  }
  const kept = await store.range<{ words: string }>("search");
  expect(kept.some(({ value }) => value.words?.includes(" tern 7 "))).toBe(false);
  // No number stands for two.
  expect(await add("again")).toBeGreaterThan(numbers.get(1_298) ?? 0);
});

test("segments are read until the newest are found, and no further", async () => {
  const batch = store.batch();
  for (let number = 0; number < 20 * 512; number++) {
    index.add(batch, { chat: "a", order: orderOf(number), text: number % 600 === 0 ? "rare owl" : `tern ${number}` });
  }
  await batch.commit();
  await index.pack();
  index = await Index.open(store);
  const read = vi.spyOn(store, "get");
  expect((await index.find("tern", undefined, 3)).map(({ order }) => Number.parseInt(order, 16))).toEqual([10_239, 10_238, 10_237]);
  expect(read.mock.calls.length).toBeLessThan(20);
  expect(await index.find("rare", undefined, 50)).toHaveLength(18);
  expect(read.mock.calls.length).toBeGreaterThan(20);
});

test("what is said while the words are fetched for the first search is found", async () => {
  for (let number = 0; number < 700; number++) await add(`tern ${number}`, number);
  await index.pack();
  index = await Index.open(store);
  const warming = index.find("", undefined, 9);
  const meanwhile = add("the newest tern", 700);
  expect(await warming).toEqual([]);
  await meanwhile;
  expect(await index.find("newest", undefined, 9)).toHaveLength(1);
  expect(await index.find("tern", undefined, 1_000)).toHaveLength(701);
});

test("words are cut from what is between them", () => {
  expect(wordsOf("Well – it’s 5 o'clock!")).toBe(" well it s 5 o clock");
  expect(needlesOf("a  longer")).toEqual([" longer", " a"]);
});

async function add(text: string, place = 1, chat = "a"): Promise<number> {
  const batch = store.batch();
  const number = index.add(batch, { chat, order: orderOf(place), text });
  await batch.commit();
  return number ?? 0;
}

function orderOf(place: number): string {
  return place.toString(16).padStart(16, "0");
}
