// Encrypted backups (docs/protocol/backup.md): made when the user wants one and once a day, on this server or
// as a file; and taken in by a device that has nothing yet.

import type { AccountApi, ServerBackup } from "../account/api";
import type { Desk } from "../chats/desk";
import { Fields } from "../content/fields";
import { Serial } from "../conversations/serial";
import { beginReading, nextPortion, type Portion } from "../history/portions";
import { takeIn } from "../history/taking-in";
import type { AccountKey } from "../mls";
import type { UploadPlace } from "../media/upload";
import type { Part } from "../parts";
import type { BackupOpener, BackupState, ChatId, FoundBackup } from "../protocol";
import { Refusal } from "../refusal";
import { encode } from "../store/cbor";
import { Opening, Writing } from "./form";
import { bytesOfDigits, newDigits, random, readDigits, ROOT_BYTES, unwrap, wrap, type Wrap } from "./keys";
import { setPassword, tryPassword, type PasswordApi } from "./password";
import { fetchBackup, leave } from "./server";

export interface BackupSurroundings {
  api: PasswordApi & Pick<AccountApi, "backup" | "setBackup" | "removeBackup" | "removeBackupPassword">;
  uploads: UploadPlace;
  /** The key that vouches for the account's devices. */
  keys: { accountKey(): Promise<AccountKey | undefined>; adopt(key: AccountKey): Promise<void> };
}

export interface BackedUpChats {
  /** What own devices have agreed on is the chats' own from now on. */
  agreed(): Promise<void>;
  /** Something of these chats was taken in: who is in them now the server knows. */
  came(chats: ChatId[]): Promise<void>;
}

type Names = "backup" | "turnOnBackup" | "turnOffBackup" | "backUp" | "backupFile" | "findBackup" | "restoreBackup";

/** What is kept while backups are on. */
interface Kept {
  root: Uint8Array;
  wraps: Wrap[];
  /** The newest one on the server. */
  digest?: string;
  madeAt?: number;
  bytes?: number;
}

export class Backup implements Part<Names> {
  readonly #desk: Desk;
  readonly #around: BackupSurroundings;
  readonly #chats: BackedUpChats;
  readonly #turn = new Serial();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #progress: BackupState["progress"] = null;

  constructor(desk: Desk, around: BackupSurroundings, chats: BackedUpChats) {
    this.#desk = desk;
    this.#around = around;
    this.#chats = chats;
  }

  readonly commands: Part<Names>["commands"] = {
    backup: () => this.#state(),
    turnOnBackup: (password) => this.#turn.run(() => this.#turnOn(password)),
    turnOffBackup: () => this.#turn.run(() => this.#turnOff()),
    backUp: () => this.#turn.run(() => this.#backUp()),
    backupFile: () => this.#turn.run(() => this.#file()),
    findBackup: () => this.#find(),
    restoreBackup: (from, by) => this.#turn.run(() => this.#restore(from, by)),
  };

  async online(): Promise<void> {
    this.#soon(FIRST_AFTER_MS);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  async #turnOn(password: string | null): Promise<{ digits: string | null }> {
    if (password !== null && [...password].length < PASSWORD_CHARACTERS_MIN) {
      throw new Refusal("backup-password-short", `a password has ${PASSWORD_CHARACTERS_MIN} characters at least`);
    }
    const root = random(ROOT_BYTES);
    const digits = password === null ? newDigits() : null;
    if (password === null) await this.#around.api.removeBackupPassword();
    const secret = password === null ? bytesOfDigits(digits ?? "") : await setPassword(this.#around.api, password);
    await this.#keep({ root, wraps: [await wrap(password === null ? "digits" : "password", secret, root)] });
    await this.#say();
    // The user has the digits in hand before the first one is made: that may take its time.
    this.#soon(0);
    return { digits };
  }

  async #turnOff(): Promise<void> {
    await this.#around.api.removeBackup();
    await this.#desk.context.store.batch().delete("meta", KEPT).commit();
    await this.#say();
  }

  /** @throws Refusal `not-allowed` where it is off, or another device makes them now */
  async #backUp(): Promise<void> {
    const kept = await this.#kept();
    if (!kept) throw new Refusal("not-allowed", "backups are off");
    const { snapshot } = await this.#around.api.backup();
    if (snapshot && kept.digest !== undefined && snapshot.digest !== kept.digest) {
      // What this device would leave in its place the other one's key could not open.
      await this.#desk.context.store.batch().delete("meta", KEPT).commit();
      await this.#say();
      throw new Refusal("not-allowed", "another device makes the backups now");
    }
    await this.#work("making", async (progress) => {
      const file = await this.#make(kept, (fraction) => progress(fraction / 2));
      const digest = await leave(file, this.#around.api, this.#around.uploads, this.#desk.now(), (fraction) => progress((1 + fraction) / 2));
      await this.#keep({ ...kept, digest, madeAt: this.#desk.now(), bytes: file.size });
    });
  }

  /** As it is now, for the user to keep. Where backups are off it is opened by digits of its own. */
  async #file(): Promise<{ file: Blob; digits: string | null }> {
    const kept = await this.#kept();
    if (kept) return { file: await this.#work("making", (progress) => this.#make(kept, progress)), digits: null };
    const [root, digits] = [random(ROOT_BYTES), newDigits()];
    const once: Kept = { root, wraps: [await wrap("digits", bytesOfDigits(digits), root)] };
    return { file: await this.#work("making", (progress) => this.#make(once, progress)), digits };
  }

  async #make({ root, wraps }: Kept, progress: (fraction: number) => void): Promise<Blob> {
    const { store } = this.#desk.context;
    await this.#chats.agreed();
    const writing = await Writing.begin({ account: this.#desk.own, made: this.#desk.now(), wraps }, root);
    const total = Math.max(1, await store.count("messages"));
    let done = 0;
    for (let reading = await beginReading(store); ; ) {
      const { portion, next } = await nextPortion(store, reading);
      reading = next;
      const isLast = next.rest.length === 0;
      // With the first one goes what lets the restored device take part, under the same safety number.
      const accountKey = portion.about && (await this.#around.keys.accountKey());
      await writing.add(encode({ ...portion, accountKey }), isLast);
      done += portion.chats.reduce((sum, { rows }) => sum + rows.length, 0);
      progress(isLast ? 1 : Math.min(1, done / total));
      if (isLast) return writing.end();
    }
  }

  async #find(): Promise<FoundBackup | null> {
    const { snapshot, password }: ServerBackup = await this.#around.api.backup();
    if (!snapshot) return null;
    return { madeAt: snapshot.made * 1000, bytes: snapshot.bytes, by: password ? "password" : "digits", ...(password && { tries: password.tries }) };
  }

  async #restore(from: Blob | null, by: BackupOpener): Promise<void> {
    const { api, uploads } = this.#around;
    await this.#work("restoring", async (progress) => {
      const { snapshot } = from ? { snapshot: null } : await api.backup();
      if (!from && !snapshot) throw new Refusal("not-found", "there is no backup on the server");
      const opening = await Opening.of(from ?? (await fetchBackup(uploads.origin, snapshot?.digest ?? "")));
      const { account, wraps } = opening.head;
      if (account !== this.#desk.own) throw new Refusal("backup-other-account", "this is another account's backup");
      const root = await this.#rootOf(wraps, by);
      for await (const { piece, fraction } of opening.pieces(root)) {
        const key = accountKeyOf(piece);
        if (key) await this.#around.keys.adopt(key);
        await this.#chats.came(await takeIn(this.#desk, portionOf(piece)));
        progress(fraction);
      }
      // This device goes on making them.
      if (snapshot && !(await this.#kept())) {
        await this.#keep({ root, wraps, digest: snapshot.digest, madeAt: snapshot.made * 1000, bytes: snapshot.bytes });
      }
    });
  }

  async #rootOf(wraps: Wrap[], by: BackupOpener): Promise<Uint8Array> {
    const kind = "digits" in by ? "digits" : "password";
    const wrapped = wraps.find((one) => one.kind === kind);
    if (!wrapped) throw new Refusal("backup-other-key", "this backup is opened by the other kind of key");
    if (!("digits" in by)) return unwrap(wrapped, await tryPassword(this.#around.api, by.password));
    const digits = readDigits(by.digits);
    if (digits === undefined) throw new Refusal("backup-digits", "the key has 64 digits");
    return unwrap(wrapped, bytesOfDigits(digits));
  }

  /** @throws what the work throws */
  async #work<T>(role: "making" | "restoring", work: (progress: (fraction: number) => void) => Promise<T>): Promise<T> {
    let toldAtMs = 0;
    const progress = (fraction: number) => {
      this.#progress = { role, fraction };
      if (Date.now() - toldAtMs < TOLD_EVERY_MS) return;
      toldAtMs = Date.now();
      void this.#say().catch(() => undefined);
    };
    progress(0);
    try {
      return await work(progress);
    } finally {
      this.#progress = null;
      await this.#say();
    }
  }

  #soon(afterMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#soon(LOOKED_EVERY_MS);
      // What fails now is tried with the next look.
      void this.#turn.run(() => this.#daily()).catch(() => undefined);
    }, afterMs);
  }

  async #daily(): Promise<void> {
    const kept = await this.#kept();
    if (kept && this.#desk.now() - (kept.madeAt ?? 0) >= DAY_MS) await this.#backUp();
  }

  async #state(): Promise<BackupState> {
    const kept = await this.#kept();
    const on = kept ? { by: kept.wraps[0]?.kind ?? "digits", madeAt: kept.madeAt ?? null, bytes: kept.bytes ?? null } : null;
    return { on, progress: this.#progress };
  }

  async #say(): Promise<void> {
    this.#desk.context.say({ type: "backup", backup: await this.#state() });
  }

  #kept(): Promise<Kept | undefined> {
    return this.#desk.context.store.get<Kept>("meta", KEPT);
  }

  async #keep(kept: Kept): Promise<void> {
    await this.#desk.context.store.batch().put("meta", KEPT, kept).commit();
  }
}

/** Sealed by the account's own device; what is no portion is broken all the same. */
function portionOf(piece: unknown): Portion {
  const portion = piece as Portion | null;
  if (typeof portion?.v === "number" && Array.isArray(portion.chats)) return portion;
  throw new Refusal("backup-broken", "this is no whole backup");
}

function accountKeyOf(piece: unknown): AccountKey | undefined {
  const fields = new Fields(piece, "piece");
  return fields.optional("accountKey", () => {
    const key = fields.map("accountKey");
    return { publicKey: key.bytes("publicKey", 32, 32), privateKey: key.bytes("privateKey", 32, 32) };
  });
}

const KEPT = "backup";
const PASSWORD_CHARACTERS_MIN = 8;
const DAY_MS = 86_400_000;
const FIRST_AFTER_MS = 60_000;
const LOOKED_EVERY_MS = 3_600_000;
const TOLD_EVERY_MS = 200;
