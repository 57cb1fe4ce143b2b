// Reads the fields of an envelope, each with its type and its limit. What does not fit ends the
// envelope as a whole: half a message would say what its author did not.

import type { AccountId, ChatId, MessageId, Order } from "../protocol";
import { IDS_MAX } from "./limits";

/** A field is missing, of another type, or beyond its limit. */
export class FieldError extends Error {
  override name = "FieldError";
  constructor(readonly field: string) {
    super(`the field ${field} is not as it should be`);
  }
}

/** A map of an envelope, read field by field. */
export class Fields {
  readonly #map: ReadonlyMap<string, unknown>;

  /** @throws FieldError where it is no map. */
  constructor(value: unknown, name: string) {
    if (!isMap(value)) throw new FieldError(name);
    this.#map = new Map(Object.entries(value));
  }

  has(name: string): boolean {
    return this.#map.get(name) !== undefined;
  }

  isNull(name: string): boolean {
    return this.#map.get(name) === null;
  }

  text(name: string, bytesMax: number): string {
    const value = this.#map.get(name);
    if (typeof value !== "string" || utf8Length(value) > bytesMax) throw new FieldError(name);
    return value;
  }

  textOr(name: string, bytesMax: number, missing = ""): string {
    return this.has(name) ? this.text(name, bytesMax) : missing;
  }

  integer(name: string, min: number, max: number): number {
    const value = this.#map.get(name);
    if (!isInteger(value, min, max)) throw new FieldError(name);
    return value;
  }

  flag(name: string): boolean {
    const value = this.#map.get(name) ?? false;
    if (typeof value !== "boolean") throw new FieldError(name);
    return value;
  }

  bytes(name: string, min: number, max: number): Uint8Array {
    const value = this.#map.get(name);
    if (!(value instanceof Uint8Array) || value.length < min || value.length > max) throw new FieldError(name);
    return value;
  }

  map(name: string): Fields {
    return new Fields(this.#map.get(name), name);
  }

  list<T>(name: string, min: number, max: number, read: (value: unknown) => T): T[] {
    const value = this.#map.get(name) ?? [];
    if (!Array.isArray(value) || value.length < min || value.length > max) throw new FieldError(name);
    return value.map(read);
  }

  texts(name: string, min: number, max: number, bytesMax: number): string[] {
    return this.list(name, min, max, (value) => {
      if (typeof value !== "string" || utf8Length(value) > bytesMax) throw new FieldError(name);
      return value;
    });
  }

  account(name: string): AccountId {
    return checked(this.#map.get(name), isAccountId, name);
  }

  accounts(name: string, max: number): AccountId[] {
    return [...new Set(this.list(name, 0, max, (value) => checked(value, isAccountId, name)))];
  }

  chat(name: string): ChatId {
    return checked(this.#map.get(name), isAccountId, name);
  }

  message(name: string): MessageId {
    return checked(this.#map.get(name), isMessageId, name);
  }

  messages(name: string): MessageId[] {
    return this.list(name, 1, IDS_MAX, (value) => checked(value, isMessageId, name));
  }

  order(name: string): Order {
    return checked(this.#map.get(name), isOrder, name);
  }

  oneOf<const T extends string>(name: string, values: readonly T[]): T {
    const value = values.find((known) => known === this.#map.get(name));
    if (value === undefined) throw new FieldError(name);
    return value;
  }

  /** `null` stays what it is. */
  orNull<T>(name: string, read: () => T): T | null {
    return this.isNull(name) ? null : read();
  }

  optional<T>(name: string, read: () => T): T | undefined {
    return this.has(name) ? read() : undefined;
  }
}

/** An account's id, or a room's: 60 bits in base32 (docs/protocol/accounts.md). */
export function isAccountId(text: string): boolean {
  return /^[0-9a-hjkmnp-tv-z]{12}$/.test(text);
}

/** `ACCOUNT.` and at least 96 random bits in URL-safe base64. */
export function isMessageId(text: string): boolean {
  return isAccountId(text.slice(0, 12)) && /^\.[\w-]{16,32}$/.test(text.slice(12));
}

/** A room's stanza-id. */
export function isOrder(text: string): boolean {
  return /^[0-9a-f]{16}$/.test(text);
}

export function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** The text's beginning, of at most so many bytes, without half a character. */
export function cutText(text: string, bytesMax: number): string {
  if (text.length * 3 <= bytesMax) return text;
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(bytesMax));
  return text.slice(0, read);
}

function checked(value: unknown, isFit: (text: string) => boolean, name: string): string {
  if (typeof value !== "string" || !isFit(value)) throw new FieldError(name);
  return value;
}

function isInteger(value: unknown, min: number, max: number): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= min && value <= max;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
