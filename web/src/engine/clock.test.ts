import "fake-indexeddb/auto";
import { expect, test } from "vitest";
import { Clock } from "./clock";
import { Store } from "./store/store";

const SERVER_MS = Date.UTC(2026, 9, 1, 12);
const HOUR_MS = 3_600_000;
const DATE = new Date(SERVER_MS).toUTCString();

test.each([
  ["right", 0, 0],
  ["a few seconds off", 5_000, 5_000],
  ["a day ahead", 26 * HOUR_MS, 0],
  ["a day behind", -26 * HOUR_MS, 0],
])("a clock that is %s", async (_, offMs, toldOffMs) => {
  const clock = await Clock.load(await Store.open(crypto.randomUUID()), () => SERVER_MS + offMs);
  expect(clock.now()).toBe(SERVER_MS + offMs);
  const heard: number[] = [];
  clock.changed = () => heard.push(clock.aheadMs);
  for (const date of [null, "nonsense", DATE, DATE]) clock.heard(date);
  expect(clock.now()).toBe(SERVER_MS + toldOffMs);
  // Pages go by it too, and are told once.
  expect(heard).toEqual(offMs === toldOffMs ? [] : [-offMs]);
});

test("before the server is heard of, nothing ends too early", async () => {
  for (const offMs of [26 * HOUR_MS, -26 * HOUR_MS]) {
    const store = await Store.open(crypto.randomUUID());
    (await Clock.load(store, () => SERVER_MS + offMs)).heard(DATE);
    await expect.poll(() => store.get("meta", "clock")).toBe(-offMs);
    for (const setRight of [true, false]) {
      const again = await Clock.load(store, () => SERVER_MS + (setRight ? 0 : offMs));
      expect(again.now()).toBeLessThanOrEqual(SERVER_MS);
    }
  }
});
