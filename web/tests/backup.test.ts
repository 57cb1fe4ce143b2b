// Encrypted backups, against a real server.

import "fake-indexeddb/auto";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { Company, Person } from "./person";
import { LEFT_OUT, WHIMBREL } from "./server";

describe.skipIf(WHIMBREL === undefined)(`backups${LEFT_OUT}`, () => {
  let company: Company;
  let ada: Person;
  let bob: Person;
  const others: Person[] = [];
  beforeAll(async () => {
    company = await Company.begin(2);
    [ada, bob] = company.people as [Person, Person];
  }, 60_000);
  afterAll(async () => {
    await Promise.all(others.map((person) => person.stop()));
    await company.end();
  });

  /** A further device of Ada's that has nothing: her others are gone. */
  async function fresh(): Promise<Person> {
    const device = await Person.again(ada);
    others.push(device);
    return device;
  }

  test("a new device has again what there was, by 64 digits, and goes on making backups", async () => {
    const chat = (await ada.call("openDirect", bob.account)).id;
    await ada.call("setContact", bob.account, { name: "Bob the builder" });
    await ada.say(chat, "plain as day");
    await bob.sees(chat, ["plain as day"]);
    await bob.say(chat, "and night");
    await ada.sees(chat, ["plain as day", "and night"]);
    expect(await ada.call("findBackup")).toBeNull();

    const { digits } = await ada.call("turnOnBackup", null);
    expect(digits).toMatch(/^\d{64}$/);
    await ada.call("backUp");
    const { on, progress } = await ada.call("backup");
    expect([on?.by, progress]).toEqual(["digits", null]);
    const found = await ada.call("findBackup");
    expect(found?.bytes).toBe(on?.bytes);

    const phone = await fresh();
    await expect(phone.call("restoreBackup", null, { digits: "1".repeat(64) })).rejects.toMatchObject({ name: "backup-key-wrong" });
    await expect(phone.call("restoreBackup", null, { digits: "12" })).rejects.toMatchObject({ name: "backup-digits" });
    await expect(phone.call("restoreBackup", null, { password: "password" })).rejects.toMatchObject({ name: "backup-other-key" });
    const spaced = (digits ?? "").replace(/(\d{4})/g, "$1 ");
    await phone.call("restoreBackup", null, { digits: spaced });
    expect((await phone.texts(chat)).slice(0, 2)).toEqual(["plain as day", "and night"]);
    expect((await phone.call("search", "night")).length).toBe(1);
    expect((await phone.call("contact", bob.account)).name).toBe("Bob the builder");
    // Twice is once.
    await phone.call("restoreBackup", null, { digits: digits ?? "" });
    expect((await phone.texts(chat)).filter((text) => text === "plain as day")).toHaveLength(1);
    // It takes part.
    await expect.poll(() => phone.say(chat, "here again").then(() => true, () => false), { timeout: 20_000 }).toBe(true);
    await expect.poll(() => bob.texts(chat), { timeout: 20_000 }).toContain("here again");

    await phone.call("backUp");
    expect((await phone.call("findBackup"))?.bytes).toBeGreaterThan(found?.bytes ?? 0);
    await expect(ada.call("backUp")).rejects.toMatchObject({ name: "not-allowed" });
    expect((await ada.call("backup")).on).toBeNull();
  }, 90_000);

  test("a password has ten tries, and a file is opened by its own digits", async () => {
    await expect(ada.call("turnOnBackup", "short")).rejects.toMatchObject({ name: "backup-password-short" });
    expect(await ada.call("turnOnBackup", "a tern over the bar")).toEqual({ digits: null });
    await ada.call("backUp");
    expect((await ada.call("findBackup"))?.tries).toBe(10);
    const tablet = await fresh();
    await expect(tablet.call("restoreBackup", null, { password: "a gull over it" })).rejects.toMatchObject({ name: "backup-key-wrong" });
    expect((await tablet.call("findBackup"))?.tries).toBe(9);
    await tablet.call("restoreBackup", null, { password: "a tern over the bar" });
    expect((await tablet.call("findBackup"))?.tries).toBe(10);
    for (let left = 9; left > 0; left--) {
      await expect(tablet.call("restoreBackup", null, { password: "a gull over it" })).rejects.toMatchObject({ name: "backup-key-wrong" });
    }
    await expect(tablet.call("restoreBackup", null, { password: "a gull over it" })).rejects.toMatchObject({ name: "no-backup-password" });
    await expect(tablet.call("restoreBackup", null, { password: "a tern over the bar" })).rejects.toMatchObject({ name: "no-backup-password" });

    await ada.call("turnOffBackup");
    expect(await tablet.call("findBackup")).toBeNull();
    const { file, digits } = await ada.call("backupFile");
    expect(digits).toMatch(/^\d{64}$/);
    const laptop = await fresh();
    await expect(bob.call("restoreBackup", file, { digits: digits ?? "" })).rejects.toMatchObject({ name: "backup-other-account" });
    const bytes = new Uint8Array(await file.arrayBuffer());
    bytes[bytes.length - 30]! ^= 1;
    for (const broken of [file.slice(0, file.size - 1), file.slice(0, 100), new Blob(["nonsense and more of it"]), new Blob([bytes])]) {
      await expect(laptop.call("restoreBackup", broken, { digits: digits ?? "" })).rejects.toMatchObject({ name: "backup-broken" });
    }
    await laptop.call("restoreBackup", file, { digits: digits ?? "" });
    const chat = (await ada.call("openDirect", bob.account)).id;
    expect(await laptop.texts(chat)).toContain("plain as day");
  }, 120_000);

  test("a server that is killed while a backup comes keeps the one before whole", async () => {
    const { digits } = await ada.call("turnOnBackup", null);
    await ada.call("backUp");
    const before = await ada.call("findBackup");
    const chat = (await ada.call("openDirect", bob.account)).id;
    await ada.say(chat, "later than the backup");
    const real = globalThis.fetch;
    vi.stubGlobal("fetch", async (...args: Parameters<typeof fetch>) => {
      // All of it has come; that it is the backup now the server does not hear any more.
      if (args[1]?.method === "PUT" && String(args[0]).endsWith("/api/v1/backup")) await company.server.kill();
      return real(...args);
    });
    await expect(ada.call("backUp")).rejects.toMatchObject({ name: "offline" });
    vi.unstubAllGlobals();
    await company.server.start();
    expect(await ada.call("findBackup")).toEqual(before);
    await expect.poll(() => ada.call("createLink").then(() => true, () => false), { timeout: 20_000 }).toBe(true);
    const phone = await fresh();
    await phone.call("restoreBackup", null, { digits: digits ?? "" });
    expect(await phone.texts(chat)).toContain("plain as day");
    await ada.call("backUp");
    expect((await ada.call("findBackup"))?.bytes).toBeGreaterThan(before?.bytes ?? 0);
  }, 120_000);
});
