import { expect, test } from "vitest";
import type { EngineEvent, EngineState } from "./protocol";
import { Refusal } from "./refusal";
import { connectTo, serve, type Callee } from "./rpc";

const STATE: EngineState = { account: null, connection: "offline", tab: "writer", full: false, history: null };

class FakeEngine implements Callee {
  say: (event: EngineEvent) => void = () => undefined;

  async call(name: string, args: unknown[]): Promise<unknown> {
    if (name === "send") return `m-${String(args[0])}`;
    throw name === "register" ? new Refusal("pin-needed", "…", { retryAfterS: 60 }) : new TypeError("a mistake");
  }

  listen(listener: (event: EngineEvent) => void): void {
    this.say = listener;
    listener({ type: "state", state: STATE });
  }
}

async function joined() {
  const fake = new FakeEngine();
  const { port1, port2 } = new MessageChannel();
  const connecting = connectTo(port2);
  serve(port1, fake);
  port1.start();
  port2.start();
  const engine = await connecting;
  return { fake, engine, close: () => port1.close() };
}

test("calls are answered, or refused by name", async () => {
  const { engine, close } = await joined();
  expect(engine.state).toEqual(STATE);
  expect(await engine.call("send", "c", { content: { kind: "text", text: "hi" } })).toBe("m-c");
  await expect(engine.call("register", "+1", "123456")).rejects.toMatchObject({ name: "pin-needed", retryAfterS: 60 });
  await expect(engine.call("chats")).rejects.toMatchObject({ name: "internal", detail: "TypeError: a mistake" });
  close();
});

test("events reach those who listen", async () => {
  const { fake, engine, close } = await joined();
  const heard = new Promise((resolve) => engine.on("chat-removed", resolve));
  fake.say({ type: "key-changed", account: "a" });
  fake.say({ type: "chat-removed", chat: "c" });
  fake.say({ type: "state", state: { ...STATE, connection: "online" } });
  expect(await heard).toEqual({ type: "chat-removed", chat: "c" });
  await expect.poll(() => engine.state.connection).toBe("online");
  close();
});
