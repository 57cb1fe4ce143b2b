// Files: encrypted, uploaded, and shown by the service worker.

import type { Batch, Store } from "../store/store";
import type { FileRef } from "../protocol";
import { Refusal } from "../refusal";
import { Keeping } from "./keeping";
import { dropFile, forgetTrials, KeptFile, settled, type Kept } from "./kept-file";
import { uploadOpenly, type SlotFor } from "./open-upload";
import { SealedFile } from "./sealed-file";
import { FileUpload, type UploadPlace } from "./upload";

export type { Keeping } from "./keeping";
export type { Kept } from "./kept-file";

/** An upload that runs. */
export interface Running {
  /** Ends once the server has the file. Rejects with a Refusal. */
  done: Promise<void>;
  pause(isPaused: boolean): void;
  /** Ends it, and has the server forget what came. */
  cancel(): Promise<void>;
}

/** Where an upload stands. */
export interface Progress {
  sentBytes: number;
  /** Of the ciphertext. */
  bytes: number;
  isPaused: boolean;
}

/** Encrypts and uploads. */
export interface Media {
  /** Encrypts a file into the store, for an upload that outlasts this session. */
  keep(id: string, file: Blob): Keeping;
  /** In one batch with what answers for a kept file from now on. */
  settled(batch: Batch, id: string): void;
  drop(batch: Batch, id: string): void;
  /** Drops what nobody came to answer for. Before the first {@link Media.keep}. */
  recover(): Promise<void>;
  /** Whether files can leave from where the engine runs. */
  readonly canStart: boolean;
  /** Uploads a file that is kept, or is being kept, from where an upload with that address was.
   *  @param expires when it may go, in seconds since 1970 */
  start(
    id: string, kept: Kept | Keeping, address: string | undefined, hear: { begun(address: string): void; progress(progress: Progress): void },
    expires?: number,
  ): Running;
  /** Uploads a kept file as other XMPP clients read it. It begins anew where it is cut. */
  startOpen(id: string, file: Kept & Pick<FileRef, "name" | "type">, progress: (progress: Progress) => void): Running & { url: Promise<string> };
  /** Uploads a file at once.
   *  @throws Refusal */
  upload(file: Blob, about: Pick<FileRef, "name" | "type" | "thumbnail">): Promise<FileRef>;
  /** Has the server keep a file of others for this account too, as long as it is asked for here.
   *  @param expires in seconds since 1970
   *  @throws Refusal `not-found` where it has gone */
  refer(file: FileRef, expires?: number): Promise<void>;
}

export class FileMedia implements Media {
  readonly #store: Store;
  readonly #place: UploadPlace;

  readonly #slotFor: SlotFor | undefined;

  /** @param slotFor where files can be put openly */
  constructor(store: Store, place: UploadPlace, slotFor?: SlotFor) {
    this.#store = store;
    this.#place = place;
    this.#slotFor = slotFor;
  }

  // tus-js-client needs XMLHttpRequest, which service workers do not have: a page goes on.
  readonly canStart = !("ServiceWorkerGlobalScope" in globalThis);
  readonly settled = settled;
  readonly drop = dropFile;

  keep(id: string, file: Blob): Keeping {
    return new Keeping(this.#store, id, file);
  }

  recover(): Promise<void> {
    return forgetTrials(this.#store);
  }

  start(...[id, kept, address, hear, expires]: Parameters<Media["start"]>): Running {
    const source = kept instanceof Keeping ? kept : new KeptFile(this.#store, id, kept);
    const progress = (sentBytes: number, isPaused: boolean) => hear.progress({ sentBytes, bytes: source.size, isPaused });
    const digest = kept instanceof Keeping ? undefined : kept.digest;
    const begun = { begun: hear.begun, ...(digest !== undefined && { digest }), ...(address !== undefined && { address }) };
    const place = { ...this.#place, token: (bytes: number) => this.#place.token(bytes, expires) };
    const upload = new FileUpload(source, place, progress, begun);
    const done = upload.run().then(() => undefined);
    // One that begins early may end before anybody waits for it.
    done.catch(() => undefined);
    return { done, pause: (isPaused) => upload.pause(isPaused), cancel: () => upload.cancel() };
  }

  startOpen(...[id, file, progress]: Parameters<Media["startOpen"]>): ReturnType<Media["startOpen"]> {
    const abort = new AbortController();
    progress({ sentBytes: 0, bytes: file.bytes, isPaused: false });
    const slotFor = this.#slotFor ?? (() => Promise.reject(new Refusal("not-allowed", "there is no place for open files")));
    const url = uploadOpenly(this.#store, id, file, this.#place.origin, slotFor, abort.signal);
    return { url, done: url.then(() => undefined), pause: () => undefined, cancel: async () => abort.abort() };
  }

  async upload(file: Blob, about: Pick<FileRef, "name" | "type" | "thumbnail">): Promise<FileRef> {
    const sealed = await SealedFile.of(file);
    const digest = await new FileUpload(sealed, this.#place, () => undefined).run();
    return { ...about, digest, key: sealed.key, bytes: file.size };
  }

  async refer({ digest }: FileRef, expires?: number): Promise<void> {
    if (digest !== "") await this.#place.refer?.(digest, expires);
  }
}
