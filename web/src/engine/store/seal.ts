// What seals the store at rest: AES-256-GCM under the store's key; see `keys.ts`.

/** Seals and opens values of one store. */
export class Sealer {
  readonly #key: CryptoKey;

  constructor(key: CryptoKey) {
    this.#key = key;
  }

  /** @param place where the value will lie: it opens nowhere else. */
  async seal(value: Uint8Array<ArrayBuffer>, place: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const text = await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce, additionalData: place }, this.#key, value);
    const sealed = new Uint8Array(NONCE_BYTES + text.byteLength);
    sealed.set(nonce);
    sealed.set(new Uint8Array(text), NONCE_BYTES);
    return sealed;
  }

  /** @throws {DOMException} `OperationError` for what was not sealed by this key for this place. */
  async open(sealed: Uint8Array<ArrayBuffer>, place: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    const iv = sealed.subarray(0, NONCE_BYTES);
    const text = sealed.subarray(NONCE_BYTES);
    return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData: place }, this.#key, text));
  }
}

// Drawn at random: fit for 2^32 values under one key (NIST SP 800-38D 8.3).
const NONCE_BYTES = 12;
