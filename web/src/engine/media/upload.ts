// One file on its way to the server: tus 1.0 (docs/protocol/uploads.md).

import type { DetailedError, Upload, UploadOptions } from "tus-js-client";
import { Refusal } from "../refusal";

/** An encrypted file. */
export interface UploadSource {
  readonly size: number;
  /** Bytes from `start` to before `end`; fewer where more would take a while. */
  slice(start: number, end: number): Promise<Uint8Array<ArrayBuffer> | Blob>;
  /** BLAKE3 of all bytes, in hexadecimal digits, once all were read. */
  digest(): string;
}

/** Where an upload goes on that was begun before. */
export interface Begun {
  /** Where it is known: the server checks it. */
  digest?: string;
  /** The upload's own address, where the server has given one. */
  address?: string;
  /** It has got an address. */
  begun(address: string): void;
}

export interface UploadPlace {
  /** Of the server: `https://example.org`. */
  origin: string;
  /** A token for so many bytes (docs/protocol/accounts.md, "Upload tokens").
   *  @param expires when the file may go, in seconds since 1970 */
  token(bytes: number, expires?: number): Promise<string>;
  /** Keeps a file that others have put there (docs/protocol/accounts.md, "References"). */
  refer?(digest: string, expires?: number): Promise<void>;
}

export class FileUpload {
  readonly #source: UploadSource;
  readonly #begun: Begun | undefined;
  readonly #place: UploadPlace;
  readonly #progress: (sentBytes: number, isPaused: boolean) => void;
  #upload: Upload | undefined;
  #isPaused = false;
  #sent = 0;
  #cancel: (reason: Refusal) => void = () => undefined;

  constructor(source: UploadSource, place: UploadPlace, progress: (sentBytes: number, isPaused: boolean) => void, begun?: Begun) {
    this.#source = source;
    this.#begun = begun;
    this.#place = place;
    this.#progress = progress;
  }

  /** @returns the digest by which the server has it.
   *  @throws Refusal */
  async run(): Promise<string> {
    const cancelled = new Promise<never>((_, reject) => (this.#cancel = reject));
    const whole = async () => {
      const [token, tus] = await Promise.all([this.#place.token(this.#source.size), import("tus-js-client")]);
      return this.#send(token, tus.Upload);
    };
    return Promise.race([whole(), cancelled]);
  }

  pause(isPaused: boolean): void {
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    if (isPaused) void this.#upload?.abort();
    else this.#upload?.start();
    this.#progress(this.#sent, isPaused);
  }

  async cancel(): Promise<void> {
    this.#cancel(new Refusal("cancelled", "the upload was cancelled"));
    // What has come is the server's to forget; it does so by itself where this does not reach it.
    await this.#upload?.abort(true).catch(() => undefined);
  }

  #send(token: string, Tus: typeof Upload): Promise<string> {
    return new Promise((resolve, reject) => {
      let address: string | undefined;
      const options: UploadOptions = {
        endpoint: `${this.#place.origin}/upload`,
        headers: { Authorization: `Bearer ${token}` },
        metadata: { filetype: "application/octet-stream", ...(this.#begun?.digest !== undefined && { blake3: this.#begun.digest }) },
        uploadUrl: this.#begun?.address ?? null,
        uploadSize: this.#source.size,
        chunkSize: REQUEST_BYTES,
        retryDelays: RETRY_DELAYS_MS,
        storeFingerprintForResuming: false,
        fileReader: { openFile: async () => fileSource(this.#source) },
        onProgress: (sent) => {
          this.#sent = sent;
          this.#progress(sent, this.#isPaused);
        },
        onAfterResponse: (_, response) => {
          address = response.getHeader("Content-Location") ?? address;
        },
        onUploadUrlAvailable: () => {
          const { url } = this.#upload ?? {};
          if (url) this.#begun?.begun(url);
        },
        onError: (error) => reject(refusalOf(error)),
        onSuccess: () => {
          const digest = this.#source.digest();
          // One that was whole already says no address: the server has checked the digest that it was told.
          if ((address ?? (this.#begun?.digest && `/media/${digest}`)) === `/media/${digest}`) resolve(digest);
          else reject(new Refusal("internal", `the server has ${address ?? "nothing"} instead of ${digest}`));
        },
      };
      // tus-js-client looks at the input only through its file reader.
      this.#upload = new Tus(new Blob(), options);
      if (!this.#isPaused) this.#upload.start();
    });
  }
}

function fileSource(source: UploadSource) {
  return {
    size: source.size,
    slice: async (start: number, end: number) => {
      // A request copies bytes several times before any has left; a blob it reads as it goes.
      const value = new Blob([await source.slice(start, end)]);
      return { value, done: start + value.size >= source.size };
    },
    close: () => undefined,
  };
}

function refusalOf(error: Error): Refusal {
  const response = (error as DetailedError).originalResponse;
  if (!response) return new Refusal("offline", "the server cannot be reached", { cause: error });
  const detail = response.getBody().slice(0, 200) || `the server answers ${response.getStatus()}`;
  return new Refusal(response.getStatus() === 507 ? "no-room" : "internal", detail, { cause: error });
}

/** At most in one request, and in memory for it. Behind each the server waits for its disk. */
const REQUEST_BYTES = 32 << 20;
const RETRY_DELAYS_MS = [0, 1_000, 3_000, 5_000, 10_000, 20_000, 60_000];
