import { expect, test } from "vitest";
import { deriveKey, openFrame, sealFrame } from "./cipher";
import { Opener, Sealer } from "./frames";
import { decodeHeader, encodeHeader } from "./header";
import { Keys } from "./keys";

const bytes = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
const hex = (data: Uint8Array) => [...data].map((byte) => byte.toString(16).padStart(2, "0")).join("");

// RFC 9605, appendix C.1 (some of it) and C.3.
test.each([
  [0n, 0n, "00"],
  [0n, 255n, "08ff"],
  [7n, 7n, "77"],
  [8n, 8n, "880808"],
  [0x123n, 0x4567n, "9901234567"],
  [0xffffffffffffffffn, 0xffffffffffffffffn, "ffffffffffffffffffffffffffffffffff"],
])("a header of key %i and counter %i", (kid, counter, encoded) => {
  expect(hex(encodeHeader(kid, counter))).toBe(encoded);
  expect(decodeHeader(bytes(`${encoded}00`))).toEqual({ kid, counter, length: encoded.length / 2 });
  if (encoded.length > 2) expect(decodeHeader(bytes(encoded.slice(0, -2)))).toBeUndefined();
});

test("a frame is sealed as the RFC has it, and opened only as it was sealed", async () => {
  const key = await deriveKey(bytes("000102030405060708090a0b0c0d0e0f"), 0x123n);
  expect(hex(key.salt)).toBe("84991c167b8cd23c93708ec7");
  const [clear, plain] = [bytes("4945544620534672616d65205747"), bytes("64726166742d696574662d736672616d652d656e63")];
  const sealed = await sealFrame(key, 0x123n, 0x4567n, clear, plain);
  expect(hex(sealed)).toBe("990123456794f509d36e9beacb0e261d99c7d1e972f1fed787d4049f17ca21353c1cc24d56ceabced279");
  const header = decodeHeader(sealed)!;
  expect(await openFrame(key, header, clear, sealed)).toEqual(plain);
  await expect(openFrame(key, header, clear.subarray(1), sealed)).rejects.toThrow();
});

test("a group's members open each other's frames, once, and nobody else's", async () => {
  const baseKey = crypto.getRandomValues(new Uint8Array(32));
  const device = (leaf: number, epoch = 300, secret = baseKey) => {
    const keys = new Keys();
    keys.add({ epoch, baseKey: secret, leaf });
    const sealer = new Sealer(keys);
    sealer.use(epoch);
    return { keys, sealer, opener: new Opener(keys) };
  };
  const [ada, bob] = [device(3), device(511)];
  const stranger = device(5, 300, crypto.getRandomValues(new Uint8Array(32)));

  const keyFrame = new Uint8Array(100).fill(6);
  const sealed = (await ada.sealer.seal("video", keyFrame))!;
  expect(sealed.subarray(0, 10)).toEqual(keyFrame.subarray(0, 10));
  expect(await bob.opener.open("video", sealed)).toEqual({ leaf: 3, frame: keyFrame });
  expect(await bob.opener.open("video", sealed), "once").toBeUndefined();
  expect(await stranger.opener.open("video", sealed)).toBeUndefined();
  const forged = new Uint8Array(sealed);
  forged[9]! ^= 1;
  expect(await device(4).opener.open("video", forged)).toBeUndefined();

  const spoken = new Uint8Array(40).fill(7);
  expect((await bob.opener.open("audio", (await ada.sealer.seal("audio", spoken))!))?.frame).toEqual(spoken);
  ada.keys.add({ epoch: 301, baseKey: new Uint8Array(32), leaf: 3 });
  ada.sealer.use(301);
  const later = (await ada.sealer.seal("audio", spoken))!;
  expect(await bob.opener.open("audio", later)).toBeUndefined();
  bob.keys.add({ epoch: 301, baseKey: new Uint8Array(32), leaf: 511 });
  expect((await bob.opener.open("audio", later))?.leaf).toBe(3);
});

test("nothing leaves without a key, and no key is used for a counter twice", async () => {
  const sealer = new Sealer(new Keys());
  sealer.use(1);
  expect(await sealer.seal("audio", new Uint8Array(4))).toBeUndefined();
  const kids = [new Keys(), new Keys()].map((keys) => {
    keys.add({ epoch: 1, baseKey: new Uint8Array(32), leaf: 0 });
    return keys.kidFor(1);
  });
  expect(kids[0], "each stay in a call has its own").not.toBe(kids[1]);
});
