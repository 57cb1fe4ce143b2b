// The account API over HTTP (docs/protocol/accounts.md).

import { Refusal } from "../refusal";

export interface Registered {
  jid: string;
  account: string;
  created: boolean;
  device: string;
  token: string;
  mechanism: string;
  /** Seconds since 1970. */
  expires: number;
}

export interface OwnAccount {
  jid: string;
  number: string | null;
  has_pin: boolean;
  /** How long authors may delete their messages for everyone. */
  retraction_within_s?: number;
}

export interface ListedDevice {
  id: string;
  name: string | null;
  created: number;
  seen: number;
  is_this: boolean;
}

export interface FetchedLink {
  url: string;
  title: string;
  description: string;
  image: null | { type: string; content: string };
}

export interface ServerBackup {
  /** `made` in seconds since 1970. */
  snapshot: null | { digest: string; bytes: number; made: number };
  password: null | { tries: number };
}

/** In URL-safe base64 without padding. */
export interface OpaqueMessage {
  message: string;
  tries?: number;
}

/** What a device shows to be registered. */
export type Proof = { number: string; code: string; pin?: string } | { link: string };

export class AccountApi {
  readonly #origin: string;
  readonly #bearer: () => string | undefined;
  readonly #dated: (date: string | null) => void;

  /** @param bearer of this device, once it is registered.
   *  @param dated hears each answer's `Date`. */
  constructor(origin: string, bearer: () => string | undefined, dated: (date: string | null) => void = () => undefined) {
    this.#origin = origin;
    this.#bearer = bearer;
    this.#dated = dated;
  }

  requestCode(number: string): Promise<{ number: string; digits: number; expires_in: number }> {
    return this.#ask("POST", "/codes", { number });
  }

  register(proof: Proof, device: { id: string; name: string }): Promise<Registered> {
    return this.#ask("POST", "/registrations", { ...proof, device });
  }

  createLink(): Promise<{ link: string; expires_in: number }> {
    return this.#ask("POST", "/links");
  }

  account(): Promise<OwnAccount> {
    return this.#ask("GET", "/account");
  }

  setPin(pin: string): Promise<void> {
    return this.#ask("PUT", "/account/pin", { pin });
  }

  removePin(): Promise<void> {
    return this.#ask("DELETE", "/account/pin");
  }

  changeNumber(number: string, code: string, tellContacts: boolean): Promise<{ number: string }> {
    return this.#ask("PUT", "/account/number", { number, code, tell_contacts: tellContacts });
  }

  devices(): Promise<ListedDevice[]> {
    return this.#ask("GET", "/devices");
  }

  revokeDevice(id: string): Promise<void> {
    return this.#ask("DELETE", `/devices/${encodeURIComponent(id)}`);
  }

  /** @param bytes of all that is uploaded by it
   *  @param expires when it may go, in seconds since 1970 */
  uploadToken(bytes: number, expires?: number): Promise<{ token: string; expires_in: number }> {
    return this.#ask("POST", "/upload-tokens", { bytes, ...(expires !== undefined && { expires }) });
  }

  /** Has the account refer to a file that others have put there.
   *  @param expires when it may go, in seconds since 1970 */
  refer(digest: string, expires?: number): Promise<void> {
    return this.#ask("POST", "/references", { digest, ...(expires !== undefined && { expires }) });
  }

  /** docs/protocol/link-previews.md; the image in base64. */
  linkPreview(url: string): Promise<FetchedLink> {
    return this.#ask("POST", "/link-previews", { url });
  }

  /** docs/protocol/backup.md */
  backup(): Promise<ServerBackup> {
    return this.#ask("GET", "/backup");
  }

  setBackup(digest: string): Promise<void> {
    return this.#ask("PUT", "/backup", { digest });
  }

  removeBackup(): Promise<void> {
    return this.#ask("DELETE", "/backup");
  }

  beginBackupPassword(message: string): Promise<OpaqueMessage> {
    return this.#ask("POST", "/backup/password", { message });
  }

  setBackupPassword(message: string): Promise<void> {
    return this.#ask("PUT", "/backup/password", { message });
  }

  removeBackupPassword(): Promise<void> {
    return this.#ask("DELETE", "/backup/password");
  }

  beginBackupTry(message: string): Promise<OpaqueMessage> {
    return this.#ask("POST", "/backup/tries", { message });
  }

  finishBackupTry(message: string): Promise<void> {
    return this.#ask("PUT", "/backup/tries", { message });
  }

  deleteAccount(): Promise<void> {
    return this.#ask("DELETE", "/account");
  }

  async #ask<T>(method: string, path: string, content?: object): Promise<T> {
    const headers = new Headers();
    const bearer = this.#bearer();
    if (bearer !== undefined) headers.set("Authorization", `Bearer ${bearer}`);
    const request: RequestInit = { method, headers, signal: AbortSignal.timeout(ANSWER_MS_MAX) };
    if (content) {
      headers.set("Content-Type", "application/json");
      request.body = JSON.stringify(content);
    }
    const answer = await fetch(`${this.#origin}/api/v1${path}`, request).catch((cause: unknown) => {
      throw new Refusal("offline", "the server cannot be reached", { cause });
    });
    this.#dated(answer.headers.get("Date"));
    if (!answer.ok) throw await refusalOf(answer);
    if (answer.status === 204) return undefined as T;
    return (await answer.json()) as T;
  }
}

async function refusalOf(answer: Response): Promise<Refusal> {
  const problem = (await answer.json().catch(() => ({}))) as Problem;
  const type = problem.type?.startsWith(PROBLEM) ? problem.type.slice(PROBLEM.length) : undefined;
  // 413, 503 and 504 come from the HTTP server itself, without a type.
  const name = type ?? (answer.status >= 500 ? "busy" : "internal");
  const retryAfterS = problem.retry_after ?? Number(answer.headers.get("Retry-After") ?? Number.NaN);
  const detail = problem.detail ?? problem.title ?? `the server answers ${answer.status}`;
  return new Refusal(name, detail, Number.isFinite(retryAfterS) ? { retryAfterS } : {});
}

/** RFC 9457. */
interface Problem {
  type?: string;
  title?: string;
  detail?: string;
  retry_after?: number;
}

const PROBLEM = "urn:whimbrel:problem:";
const ANSWER_MS_MAX = 30_000;
