import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Session } from "../../app/session.svelte";
import { TypingTeller } from "./typing";

beforeEach(() => vi.useFakeTimers({ now: 1_000_000 }));
afterEach(() => vi.useRealTimers());

function begin() {
  const told: unknown[] = [];
  const session = { state: { connection: "online" }, call: async (_name: string, _chat: string, state: string) => void told.push(state) };
  return { told, typing: new TypingTeller(session as unknown as Pick<Session, "state" | "call">, "c") };
}

test("who goes on typing is told of, again while it lasts, and once at its end", () => {
  const { told, typing } = begin();
  for (let second = 0; second < 7; second++) {
    typing.type(true);
    vi.advanceTimersByTime(1_000);
  }
  expect(told).toEqual(["typing", "typing"]);
  vi.advanceTimersByTime(6_000);
  expect(told).toEqual(["typing", "typing", "paused"]);
  typing.type(true);
  vi.advanceTimersByTime(1_000);
  typing.type(false);
  expect(told.slice(3)).toEqual(["typing", "paused"]);
});

test("a message ends it by itself, also by the button beside the text; one that is sent at once is all there is", () => {
  const { told, typing } = begin();
  typing.type(true);
  typing.sent();
  vi.advanceTimersByTime(10_000);
  expect(told).toEqual([]);
  typing.type(true);
  vi.advanceTimersByTime(1_000);
  typing.leave();
  typing.sent();
  vi.advanceTimersByTime(10_000);
  expect(told).toEqual(["typing"]);
  typing.type(true);
  vi.advanceTimersByTime(1_000);
  typing.leave();
  vi.advanceTimersByTime(1_000);
  expect(told).toEqual(["typing", "typing", "paused"]);
});
