import { describe, expect, test } from "vitest";
import { certify, decodeDeviceList, encodeDeviceList, isSameSafetyNumber, newAccountKey, newDevice, safetyNumber, vouchesFor } from "./index";
import { accountNumber, accountOfNumber } from "./account-id";

const ACCOUNT = "k7qm2xw4p9ab";

function list(ids: string[], counter = 4) {
  const key = newAccountKey();
  const devices = ids.map((id) => newDevice(ACCOUNT, id));
  const certified = devices.map((device) => certify(key, device, 3));
  const bytes = encodeDeviceList(key, { account: ACCOUNT, counter, madeAtS: 5, devices: certified });
  return { key, devices, bytes };
}

describe("device lists", () => {
  test("are read as they were written, and vouch for their devices alone", () => {
    const { key, devices, bytes } = list(["phone", "laptop"]);
    const read = decodeDeviceList(bytes, ACCOUNT);
    expect(read).toMatchObject({ account: ACCOUNT, counter: 4, madeAtS: 5, accountKey: key.publicKey });
    const leaf = { account: ACCOUNT, device: "phone", publicKey: devices[0]!.publicKey };
    expect(vouchesFor(read, leaf)).toBe(true);
    expect(vouchesFor(read, { ...leaf, device: "laptop" })).toBe(false);
    expect(vouchesFor(read, { ...leaf, account: "p3c8tz0n6vfd" })).toBe(false);
    expect(() => decodeDeviceList(bytes, "p3c8tz0n6vfd")).toThrow(/instead of/);
  });

  test("are refused with any other byte", () => {
    const { bytes } = list(["phone"]);
    for (let at = 0; at < bytes.length; at += 3) {
      const wrong = bytes.slice();
      wrong[at]! ^= 1;
      expect(() => decodeDeviceList(wrong, ACCOUNT), `byte ${at}`).toThrow();
      expect(() => decodeDeviceList(bytes.slice(0, at), ACCOUNT), `${at} bytes`).toThrow();
    }
  });

  test("are refused where a device is in them twice", () => {
    expect(() => decodeDeviceList(list(["phone", "phone"]).bytes, ACCOUNT)).toThrow();
  });
});

test("an account's id is the number that it writes", () => {
  expect(accountNumber("000000000001")).toBe(1n);
  expect(accountNumber("zzzzzzzzzzzz")).toBe((1n << 60n) - 1n);
  expect(accountOfNumber(accountNumber(ACCOUNT))).toBe(ACCOUNT);
});

test("both sides have one safety number, and a key that changes changes it", () => {
  const [alice, bob, mallory] = ["k7qm2xw4p9ab", "p3c8tz0n6vfd", "p3c8tz0n6vfd"].map((account) => {
    return { account, accountKey: newAccountKey().publicKey };
  });
  const number = safetyNumber(alice!, bob!);
  expect(number).toEqual(safetyNumber(bob!, alice!));
  expect(number.digits).toMatch(/^(\d{5} ){11}\d{5}$/);
  expect(isSameSafetyNumber(bob!, alice!, number.qr)).toBe(true);
  expect(isSameSafetyNumber(mallory!, alice!, number.qr)).toBe(false);
  expect(safetyNumber(alice!, mallory!).digits).not.toBe(number.digits);
});
