import { xml, type Element } from "@xmpp/client";
import { parse } from "ltx";
import "fake-indexeddb/auto";
import { expect, test, vi } from "vitest";
import type { Context } from "../parts";
import type { CallPublished, EngineEvent } from "../protocol";
import { Store } from "../store/store";
import { Calls } from "./calls";
import { CALL } from "./stanzas";

const [OWN, ADA, CHAT] = ["k7qm2xw4p9ab", "p3c8tz0n6vfd", "w3h5t9c2m7pd"];
const ROOM = `${CHAT}@groups.example.org`;
const ID = "0000000000000042";
const published: CallPublished = { microphone: "on", camera: "off", screen: "off" };
const offer = { publish: "v=0 up", subscribe: "v=0 down", isVideo: false, published };

const adasCall = (ringing = true) =>
  `<call xmlns='${CALL}' id='${ID}' by='${ADA}@example.org' began='2026-05-09T16:20:00Z' ${ringing ? "ringing='true'" : ""}><participant id='00000000000000a1' jid='${ADA}@example.org' device='d' microphone='on'/></call>`;

async function engine(answers: (asked: Element) => string | undefined) {
  const events: EngineEvent[] = [];
  const asked: string[] = [];
  const iq = async (_type: string, _to: string | undefined, payload: Element) => {
    asked.push(payload.toString());
    if (payload.is("query")) return parse(`<query><feature var='${CALL}'/></query>`);
    const answer = answers(payload);
    return answer === undefined ? undefined : (parse(answer));
  };
  const context = {
    store: await Store.open(crypto.randomUUID()),
    self: { account: OWN, device: "d1", domain: "example.org", groups: "groups.example.org" },
    xmpp: { iq, send: async () => undefined },
    conversations: { enter: async () => undefined },
    say: (event: EngineEvent) => events.push(event),
    now: () => 0,
  } as unknown as Context;
  const keys = { epoch: 3, baseKey: new Uint8Array(32), leaf: 0, accounts: {}, code: [] };
  const calls = new Calls(context, { keys: async () => keys, introduce: async () => undefined, show: () => undefined });
  const told = (inside: string, id = ID) => calls.receive(xml("message", { type: "headline", from: ROOM }, parse(`<call xmlns='${CALL}' id='${id}'>${inside}</call>`)));
  return { calls, events, asked, told };
}

test("it rings until another of the own devices answers", async () => {
  const { calls, events, told } = await engine(() => adasCall());
  calls.logged(CHAT);
  await vi.waitUntil(() => events.length > 0);
  expect(calls.commands.calls()).toMatchObject([{ chat: CHAT, by: ADA, rings: "here", participants: [{ account: ADA, isThis: false }] }]);
  told(`<accept jid='${OWN}@example.org'/>`, "00000000000000ff");
  expect(calls.commands.calls()).toMatchObject([{ rings: "here" }]);
  told(`<accept jid='${OWN}@example.org'/>`);
  expect(calls.commands.calls()).toMatchObject([{ rings: null }]);
});

test("who joins learns who is there, what is shown, and when this device is out", async () => {
  const joined = `<joined xmlns='${CALL}' participant='00000000000000b2'><publish>v=0 answer</publish>${adasCall(false).replace("</call>", `<participant id='00000000000000b2' jid='${OWN}@example.org' device='d1' microphone='on'/></call>`)}</joined>`;
  const { calls, events, asked, told } = await engine((payload) => (payload.is("join") ? joined : adasCall(false)));
  const answer = await calls.commands.joinCall(CHAT, offer);
  expect(asked[0]).toContain("<publish>v=0 up</publish><subscribe>v=0 down</subscribe>");
  expect(answer).toMatchObject({ publish: "v=0 answer", call: { participants: [{ account: ADA }, { account: OWN, isThis: true }] } });
  expect(answer.subscribe).toBeUndefined();

  told("<slots><slot/><slot participant='00000000000000a1' source='camera'/><slot participant='x' source='smell'/></slots>");
  expect(events.at(-1)).toEqual({ type: "call-slots", chat: CHAT, slots: [null, { participant: "00000000000000a1", source: "camera" }, null] });
  told(`<participant id='00000000000000a1' jid='${ADA}@example.org' device='d' microphone='muted' hand='2026-05-09T16:21:00Z'/>`);
  expect((await calls.commands.calls())[0]?.participants.find(({ account }) => account === ADA)).toMatchObject({ published: { microphone: "muted" }, handAt: Date.UTC(2026, 4, 9, 16, 21) });
  await calls.epochChanged(CHAT);
  expect(events.at(-1)).toMatchObject({ type: "call-keys", keys: { epoch: 3 } });
  told("<out reason='moved'/>");
  expect(events.at(-1)).toEqual({ type: "call-left", chat: CHAT, reason: "elsewhere" });
  await calls.epochChanged(CHAT);
  expect(events.at(-1)?.type, "keys are for who is in").toBe("call-left");
});

test("what ends while this device is in it is told", async () => {
  let lasts = true;
  const joined = `<joined xmlns='${CALL}' participant='00000000000000a1'>${adasCall(false)}</joined>`;
  const { calls, events } = await engine((payload) => (payload.is("join") ? joined : lasts ? adasCall(false) : `<call xmlns='${CALL}'/>`));
  await calls.commands.joinCall(CHAT, offer);
  lasts = false;
  calls.logged(CHAT);
  await vi.waitUntil(() => events.at(-1)?.type === "call-ended");
  expect(events.at(-2)).toEqual({ type: "call-left", chat: CHAT, reason: "ended" });
  expect(calls.commands.calls()).toEqual([]);
});
