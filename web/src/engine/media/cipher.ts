// How a file is encrypted (docs/protocol/envelope.md, "Files"): AES-256-GCM by pieces of 1 MiB, under a key
// of its own. A piece's nonce says where it stands and whether it is the last, so that pieces cannot
// change places, and none can be left out; and any of them is read without the others.

export const PIECE_BYTES = 1 << 20;
export const TAG_BYTES = 16;
const SEALED_PIECE_BYTES = PIECE_BYTES + TAG_BYTES;

/** How many pieces a file has; an empty one has one. */
export function pieceCount(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / PIECE_BYTES));
}

/** How long a file is once it is encrypted. */
export function sealedLength(bytes: number): number {
  return bytes + pieceCount(bytes) * TAG_BYTES;
}

/** A part of a file: which pieces hold it, and where these stand in the encrypted file.
 *  @param end behind its last byte */
export function sealedRange(bytes: number, start: number, end: number): { first: number; last: number; from: number; to: number } {
  const first = Math.floor(start / PIECE_BYTES);
  const last = Math.max(first, Math.ceil(end / PIECE_BYTES) - 1);
  const to = Math.min((last + 1) * SEALED_PIECE_BYTES, sealedLength(bytes));
  return { first, last, from: first * SEALED_PIECE_BYTES, to };
}

/** How long a piece is once it is encrypted. */
export function sealedPieceLength(bytes: number, index: number): number {
  return Math.min(PIECE_BYTES, bytes - index * PIECE_BYTES) + TAG_BYTES;
}

export async function importKey(key: Uint8Array): Promise<CryptoKey> {
  if (key.length !== KEY_BYTES) throw new RangeError(`a file's key has ${KEY_BYTES} bytes`);
  return crypto.subtle.importKey("raw", key.slice(), "AES-GCM", false, ["encrypt", "decrypt"]);
}

export function newFileKey(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(KEY_BYTES));
}

export async function sealPiece(key: CryptoKey, bytes: number, index: number, piece: BufferSource): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.encrypt(nonce(bytes, index), key, piece));
}

/** @throws DOMException where it is not this piece of this file */
export async function openPiece(key: CryptoKey, bytes: number, index: number, sealed: BufferSource): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.decrypt(nonce(bytes, index), key, sealed));
}

function nonce(bytes: number, index: number): AesGcmParams {
  const iv = new Uint8Array(NONCE_BYTES);
  const view = new DataView(iv.buffer);
  view.setUint32(7, index);
  view.setUint8(11, index === pieceCount(bytes) - 1 ? 1 : 0);
  return { name: "AES-GCM", iv };
}

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
