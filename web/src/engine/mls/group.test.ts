import { describe, expect, test } from "vitest";
import clientState from "../../../node_modules/ts-mls/dist/src/clientState.js?raw";
import createCommit from "../../../node_modules/ts-mls/dist/src/createCommit.js?raw";
import pathSecrets from "../../../node_modules/ts-mls/dist/src/pathSecrets.js?raw";
import * as mls from "./index";
import type { Device, GroupState, OwnKeyPackage } from "./index";

const ROOM = "x1y2z3a4b5c6@groups.example.org";
const NOW_S = Math.floor(Date.now() / 1000);
const [ALICE, BOB, CAROL] = ["k7qm2xw4p9ab", "p3c8tz0n6vfd", "9dkv4mr7s2ye"] as const;
const text = (words: string) => new TextEncoder().encode(words);
const words = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The tree of a state, as the server gives it. */
async function treeOf(state: GroupState): Promise<Uint8Array> {
  const { encodeRatchetTree } = await import("ts-mls/ratchetTree.js");
  return encodeRatchetTree(state.mls.ratchetTree);
}

async function invite(state: GroupState, device: Device): Promise<{ own: OwnKeyPackage; made: mls.Commit }> {
  const { bytes, own } = await mls.newKeyPackage(device, NOW_S);
  return { own, made: await mls.commit(state, { add: [bytes] }, NOW_S) };
}

async function join(made: mls.Commit, own: OwnKeyPackage): Promise<GroupState> {
  return (await mls.joinByWelcome([own], made.welcome!, await treeOf(made.state), ROOM)).state;
}

async function pair() {
  const [alice, bob] = [mls.newDevice(ALICE, "phone"), mls.newDevice(BOB, "phone")];
  const founded = await mls.found(alice, ROOM, NOW_S);
  const { own, made } = await invite(founded.state, bob);
  return { alice, bob, states: [made.state, await join(made, own)] as [GroupState, GroupState], made };
}

const secretOf = (state: GroupState) => mls.exporter(state, "test", new Uint8Array(), 32);

describe("a group", () => {
  test("talks, and everybody knows who said what", async () => {
    const { states: [alice, bob] } = await pair();
    const sealed = await mls.seal(alice, text("hello"));
    const opened = await mls.open(bob, sealed.message);
    expect(words(opened.bytes)).toBe("hello");
    expect(opened).toMatchObject({ account: ALICE, device: "phone", epoch: 1 });
    expect(await mls.isOwn(sealed.state, sealed.message)).toBe(true);
    expect(await mls.isOwn(bob, sealed.message)).toBe(false);
    expect(mls.messagesInEpoch(sealed.state)).toBe(1);
    await expect(mls.open(opened.state, sealed.message)).rejects.toThrow(mls.MlsError);
  });

  test("hides how long short messages are", async () => {
    const { states: [alice] } = await pair();
    const lengths = new Set<number>();
    for (const length of [0, 1, 60, 150]) lengths.add((await mls.seal(alice, new Uint8Array(length))).message.length);
    expect(lengths.size).toBe(1);
  });

  test("opens what comes late and in another order, up to four epochs behind", async () => {
    let { states: [alice, bob] } = await pair();
    const messages: Uint8Array[] = [];
    for (let epoch = 0; epoch < 5; epoch++) {
      for (const one of ["a", "b"]) {
        const sealed = await mls.seal(alice, text(`${one}${epoch}`));
        alice = sealed.state;
        messages.push(sealed.message);
      }
      if (epoch === 4) break;
      const made = await mls.commit(alice, {}, NOW_S);
      alice = made.state;
      bob = (await mls.process(bob, made.handshake, NOW_S)).state;
    }
    const device = mls.newDevice(BOB, "phone");
    bob = mls.load(device, mls.store(bob) as mls.StoredGroup);
    const read: string[] = [];
    for (const message of messages.reverse()) {
      const opened = await mls.open(bob, message);
      bob = opened.state;
      read.push(words(opened.bytes));
    }
    expect(read).toEqual(["b4", "a4", "b3", "a3", "b2", "a2", "b1", "a1", "b0", "a0"]);
  });

  test("locks out who is removed, who still reads what came before", async () => {
    const { states: [alice, bob] } = await pair();
    const before = await mls.seal(alice, text("before"));
    const made = await mls.commit(before.state, { remove: [{ account: BOB, device: "phone" }] }, NOW_S);
    const out = await mls.process(bob, made.handshake, NOW_S);
    expect(out.state.isRemoved).toBe(true);
    expect(out.removed).toMatchObject([{ account: BOB }]);
    expect(words((await mls.open(out.state, before.message)).bytes)).toBe("before");
    const after = await mls.seal(made.state, text("after"));
    await expect(mls.open(out.state, after.message)).rejects.toThrow(mls.MlsError);
    await expect(mls.seal(out.state, text("x"))).rejects.toThrow(/no member/);
    const loaded = mls.load(mls.newDevice(BOB, "phone"), mls.store(out.state) as mls.StoredGroup);
    expect(loaded.isRemoved).toBe(true);
  });

  test("takes a device from outside, and once more after it lost its state", async () => {
    let { alice: _, states: [alice, bob], made } = await pair();
    const laptop = mls.newDevice(ALICE, "laptop");
    let info = made.groupInfo;
    for (const _again of [1, 2]) {
      const joined = await mls.joinExternally(laptop, info, await treeOf(alice), ROOM, NOW_S);
      const seen = await mls.process(alice, joined.handshake, NOW_S);
      expect(seen).toMatchObject({ isExternal: true, committer: { account: ALICE, device: "laptop" } });
      [alice, bob, info] = [seen.state, (await mls.process(bob, joined.handshake, NOW_S)).state, joined.groupInfo];
      expect(await secretOf(joined.state)).toEqual(await secretOf(bob));
      expect(mls.members(alice).map(({ device }) => device)).toEqual(["phone", "phone", "laptop"]);
    }
  });

  test("is stored in parts, and a message rewrites only the secrets", async () => {
    const { alice: device, states: [alice] } = await pair();
    const sealed = await mls.seal(alice, text("one"));
    const changed = mls.store(sealed.state, alice);
    expect(Object.keys(changed)).toEqual(["secrets"]);
    const whole = { ...mls.store(alice), ...changed } as mls.StoredGroup;
    const loaded = mls.load(device, whole);
    expect(mls.store(loaded)).toEqual(whole);
    expect(await secretOf(loaded)).toEqual(await secretOf(alice));
    expect(await mls.commit(loaded, {}, NOW_S)).toMatchObject({ state: { epoch: 2 } });
  });

  test("refuses key packages of a wrong time, and what is not for it", async () => {
    const { states: [alice, bob], made } = await pair();
    const carol = mls.newDevice(CAROL, "phone");
    const old = await mls.newKeyPackage(carol, NOW_S - 100 * 24 * 3600);
    await expect(mls.commit(alice, { add: [old.bytes] }, NOW_S)).rejects.toMatchObject({ reason: "lifetime" });
    await expect(mls.joinByWelcome([old.own], made.welcome!, await treeOf(alice), ROOM)).rejects.toMatchObject({
      reason: "not-for-this-device",
    });
    await expect(mls.process(bob, made.handshake, NOW_S)).rejects.toMatchObject({ reason: "other-epoch" });
    const next = await mls.commit(alice, {}, NOW_S);
    for (const at of [10, 60, next.handshake.length - 3]) {
      const wrong = next.handshake.slice();
      wrong[at]! ^= 1;
      await expect(mls.process(bob, wrong, NOW_S), `byte ${at}`).rejects.toThrow(mls.MlsError);
    }
  });
});

test("a key package is stored with its private keys", async () => {
  const bob = mls.newDevice(BOB, "phone");
  const { own } = await mls.newKeyPackage(bob, NOW_S, true);
  expect(mls.loadKeyPackage(bob, mls.storeKeyPackage(own))).toEqual(own);
});

test("ts-mls has the patch without which it refuses valid groups", () => {
  expect(clientState).toContain("unmergedLeaves.includes(unmergedLeaf)");
  expect(createCommit).toContain("Could not decode external_pub");
  expect(pathSecrets).toContain("the last node of the filtered direct path");
});
