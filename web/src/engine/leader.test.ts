import { expect, test } from "vitest";
import { Leader, type Channel, type Handed, type Locks } from "./leader";
import type { EngineEvent, EngineState } from "./protocol";
import type { Callee, CommandName } from "./rpc";

/** One lock, for whoever asks next once it is released. */
class FakeLocks implements Locks {
  #waiting: (() => void)[] = [];
  #isHeld = false;

  async request(_name: string, _options: unknown, task: () => Promise<void>): Promise<void> {
    if (this.#isHeld) await new Promise<void>((next) => this.#waiting.push(next));
    this.#isHeld = true;
    await task();
    this.release();
  }

  /** The tab that holds it is closed. */
  release(): void {
    this.#isHeld = false;
    this.#waiting.shift()?.();
  }
}

class FakeEngine implements Callee {
  say: (event: EngineEvent) => void = () => undefined;
  readonly calls: string[] = [];
  handed: Handed | undefined;

  constructor(readonly isStuck = false) {}

  call(name: CommandName): Promise<unknown> {
    this.calls.push(name);
    return this.isStuck ? new Promise(() => undefined) : Promise.resolve(`${name} done`);
  }

  hasStopped = false;

  async stop(): Promise<void> {
    this.hasStopped = true;
  }

  listen(listener: (event: EngineEvent) => void): void {
    this.say = listener;
    const state: EngineState = { account: null, connection: "online", tab: "writer", full: false, history: null };
    listener({ type: "state", state });
  }
}

/** A BroadcastChannel that takes keys, as browsers' do and that of Node.js 20 does not. */
function channels(): () => Channel & { close(): void } {
  const all = new Set<{ hear: (message: MessageEvent) => void }>();
  return () => {
    const own = { hear: (_: MessageEvent) => undefined as void };
    all.add(own);
    return {
      addEventListener: (_, listener) => void (own.hear = listener),
      postMessage: (message) => {
        for (const other of all) if (other !== own) setTimeout(() => all.has(other) && other.hear(new MessageEvent("message", { data: structuredClone(message) })));
      },
      close: () => void all.delete(own),
    };
  };
}

/** A browser with tabs. */
function browser(open: (name: string) => Channel & { close(): void } = (name) => new BroadcastChannel(name)) {
  const locks = new FakeLocks();
  const name = crypto.randomUUID();
  const channels: { close(): void }[] = [];
  return {
    locks,
    tab(engine: FakeEngine, takesKey = true) {
      const channel = open(name);
      channels.push(channel);
      const heard: EngineEvent[] = [];
      const leader = new Leader(locks, channel, async (handed) => {
        engine.handed = handed;
        return engine;
      }, takesKey);
      leader.listen((event) => heard.push(event));
      const states = () => heard.flatMap((event) => (event.type === "state" ? event.state.tab : []));
      return { leader, engine, heard, states, close: () => channel.close() };
    },
    close: () => channels.forEach((channel) => channel.close()),
  };
}

test("the first tab writes, the second asks it and hears of all", async () => {
  const { tab, close } = browser();
  const [first, second] = [tab(new FakeEngine()), tab(new FakeEngine())];
  expect(await second.leader.call("chats", [])).toBe("chats done");
  expect(await first.leader.call("send", [])).toBe("send done");
  expect(first.engine.calls).toEqual(["chats", "send"]);
  await expect.poll(second.states).toContain("follower");
  first.engine.say({ type: "chat-removed", chat: "c" });
  await expect.poll(() => second.heard.at(-1)).toEqual({ type: "chat-removed", chat: "c" });
  expect(first.states()).toEqual(["writer"]);
  expect(second.engine.calls).toEqual([]);
  close();
});

test("when the writer's tab is closed the next one takes over", async () => {
  const { tab, locks, close } = browser();
  const [first, second, third] = [tab(new FakeEngine(true)), tab(new FakeEngine()), tab(new FakeEngine())];
  await expect.poll(third.states).toContain("follower");
  const asked = third.leader.call("chats", []);
  const sent = third.leader.call("send", []);
  await expect.poll(() => first.engine.calls).toEqual(["chats", "send"]);
  first.close();
  locks.release();
  // What only asks is asked again; of the rest nobody knows whether it was done.
  await expect(sent).rejects.toMatchObject({ name: "interrupted" });
  expect(await asked).toBe("chats done");
  expect(second.engine.calls).toEqual(["chats"]);
  expect(second.states().at(-1)).toBe("writer");
  close();
});

test("who leaves gives up the lock once its engine has stopped, and the next one takes over", async () => {
  const { tab, close } = browser();
  const first = tab(new FakeEngine());
  const second = tab(new FakeEngine());
  expect(await second.leader.call("chats", [])).toBe("chats done");
  await first.leader.leave();
  expect(first.engine.hasStopped).toBe(true);
  await expect.poll(() => second.states().at(-1)).toBe("writer");
  expect(await second.leader.call("send", [])).toBe("send done");
  expect(second.engine.calls).toEqual(["send"]);
  close();
});

test("an unlocked app goes on in the next tab, and a locked one does not", async () => {
  for (const isLocked of [false, true]) {
    const { tab, locks, close } = browser(channels());
    const [first, second] = [tab(new FakeEngine()), tab(new FakeEngine())];
    const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt"]);
    await expect.poll(() => first.engine.handed).toBeDefined();
    first.engine.handed?.handOn(key);
    // It comes later, and is told when it greets.
    const third = tab(new FakeEngine());
    await expect.poll(third.states).toContain("follower");
    if (isLocked) first.engine.handed?.handOn(undefined);
    for (const next of [second, third]) expect(await next.leader.call("chats", [])).toBe("chats done");
    first.close();
    locks.release();
    await expect.poll(() => second.engine.handed).toBeDefined();
    second.close();
    locks.release();
    await expect.poll(() => third.engine.handed).toBeDefined();
    for (const next of [second, third]) {
      expect(next.engine.handed?.key instanceof CryptoKey).toBe(!isLocked);
      if (!isLocked) expect(next.engine.handed?.key?.extractable).toBe(false);
    }
    close();
  }
});

test("the service worker does not go on with what a tab had opened", async () => {
  const { tab, locks, close } = browser(channels());
  const [page, worker] = [tab(new FakeEngine()), tab(new FakeEngine(), false)];
  const key = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt"]);
  await expect.poll(() => page.engine.handed).toBeDefined();
  page.engine.handed?.handOn(key);
  await expect.poll(worker.states).toContain("follower");
  page.close();
  locks.release();
  await expect.poll(() => worker.engine.handed).toBeDefined();
  expect(worker.engine.handed?.key).toBeUndefined();
  close();
});
