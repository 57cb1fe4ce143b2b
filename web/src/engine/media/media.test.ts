import "fake-indexeddb/auto";
import { blake3 } from "hash-wasm";
import { afterEach, describe, expect, test, vi } from "vitest";
import { Store } from "../store/store";
import { answerFile, parseRange } from "./answer";
import { PIECE_BYTES, sealedLength } from "./cipher";
import { Keeping } from "./keeping";
import { uploadOpenly } from "./open-upload";
import type { SealedAt } from "./opened-file";
import { SealedFile } from "./sealed-file";

const SIZE = 2 * PIECE_BYTES + 12_345;
const plain = Uint8Array.from({ length: SIZE }, (_, at) => (at * 7 + (at >> 12)) & 255);

async function sealed(bytes: Uint8Array<ArrayBuffer> = plain): Promise<{ file: SealedAt; stored: Uint8Array<ArrayBuffer> }> {
  const source = await SealedFile.of(new Blob([bytes]));
  const stored = await source.slice(0, source.size);
  const file = { digest: source.digest(), key: source.key, bytes: bytes.length, type: "video/mp4", name: "a.mp4" };
  return { file, stored };
}

/** A server that has one object. */
function serve(stored: Uint8Array<ArrayBuffer>): string[] {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (_: string, { headers }: { headers: { Range: string } }) => {
    const { start, end } = parseRange(headers.Range, stored.length) as { start: number; end: number };
    asked.push(headers.Range);
    return new Response(stored.slice(start, end), { status: 206 });
  });
  return asked;
}

async function read(file: SealedAt, range?: string): Promise<{ answer: Response; bytes: Uint8Array }> {
  const answer = await answerFile(file, new Request("http://x/file/1", { headers: range ? { Range: range } : {} }));
  return { answer, bytes: new Uint8Array(await answer.arrayBuffer()) };
}

/** The same bytes. Comparing megabytes one by one takes the test runner seconds. */
async function expectSame(bytes: Uint8Array, expected: Uint8Array): Promise<void> {
  expect([bytes.length, await blake3(bytes)]).toEqual([expected.length, await blake3(expected)]);
}

afterEach(() => vi.unstubAllGlobals());

describe("a file", () => {
  test("is hashed as it is encrypted, and gives the same bytes again where an upload goes back", async () => {
    const { file, stored } = await sealed();
    expect(stored.length).toBe(sealedLength(SIZE));
    expect(file.digest).toBe(await blake3(stored));
    const source = await SealedFile.of(new Blob([plain]));
    const parts: Uint8Array[] = [];
    for (let at = 0; at < source.size; at += 700_001) {
      await source.slice(Math.max(0, at - 5_000), at + 10);
      parts.push(await source.slice(at, at + 700_001));
    }
    expect(source.digest()).toBe(await blake3(new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer())));
  });

  test("is read whole and by ranges, of which few bytes are fetched", async () => {
    const { file, stored } = await sealed();
    const asked = serve(stored);
    await expectSame((await read(file)).bytes, plain);
    const part = await read(file, `bytes=${PIECE_BYTES + 10}-${PIECE_BYTES + 19}`);
    expect(part.answer.status).toBe(206);
    expect(part.answer.headers.get("Content-Range")).toBe(`bytes ${PIECE_BYTES + 10}-${PIECE_BYTES + 19}/${SIZE}`);
    expect(part.bytes).toEqual(plain.slice(PIECE_BYTES + 10, PIECE_BYTES + 20));
    expect(asked[1]).toBe(`bytes=${PIECE_BYTES + 16}-${2 * PIECE_BYTES + 31}`);
    const across = await read(file, `bytes=${PIECE_BYTES - 3}-`);
    await expectSame(across.bytes, plain.slice(PIECE_BYTES - 3));
    expect((await read(file, "bytes=-5")).bytes).toEqual(plain.slice(-5));
    expect((await read(file, `bytes=${SIZE}-`)).answer.status).toBe(416);
  });

  test("may be empty, or end with a piece", async () => {
    for (const length of [0, 1, PIECE_BYTES]) {
      const { file, stored } = await sealed(plain.slice(0, length));
      serve(stored);
      await expectSame((await read(file)).bytes, plain.slice(0, length));
    }
  });

  test("is not read where pieces are changed, swapped or cut off", async () => {
    const { file, stored } = await sealed();
    const piece = PIECE_BYTES + 16;
    const swapped = new Uint8Array([...stored.slice(piece, 2 * piece), ...stored.slice(0, piece), ...stored.slice(2 * piece)]);
    const changed = stored.slice();
    changed[piece + 5]! ^= 1;
    for (const wrong of [swapped, changed, stored.slice(0, 2 * piece)]) {
      serve(wrong);
      await expect(read(file)).rejects.toThrow();
    }
    serve(stored.slice(0, 2 * piece));
    await expect(read({ ...file, bytes: 2 * PIECE_BYTES })).rejects.toThrow();
  });

  test("is never run: types that are no pictures, films or sounds are for saving alone", async () => {
    const { file, stored } = await sealed(plain.slice(0, 9));
    serve(stored);
    for (const type of ["text/html", "image/svg+xml", "application/pdf", "video/mp4; x"]) {
      const { answer } = await read({ ...file, type });
      expect(answer.headers.get("Content-Type")).toBe("application/octet-stream");
      expect(answer.headers.get("Content-Disposition")).toBe("attachment");
      expect(answer.headers.get("Content-Security-Policy")).toMatch(/^sandbox/);
    }
  });

  test("is kept encrypted, and put as it was where others are to read it", async () => {
    const store = await Store.open(crypto.randomUUID());
    const bytes = new Uint8Array(await new Blob(Array.from({ length: 5 }, () => plain)).arrayBuffer());
    const keeping = new Keeping(store, "a", new Blob([bytes]));
    // An upload asks while it is kept, and gets what there is.
    const first = await keeping.slice(0, keeping.size);
    expect(first.size).toBeGreaterThan(0);
    const kept = await keeping.kept;
    const whole = new Uint8Array(await (await keeping.slice(0, keeping.size)).arrayBuffer());
    expect([whole.length, await blake3(whole)]).toEqual([sealedLength(bytes.length), kept.digest]);
    await expectSame(whole.subarray(0, first.size), new Uint8Array(await first.arrayBuffer()));
    const put: Blob[] = [];
    vi.stubGlobal("fetch", async (_: string, { body }: { body: Blob }) => (put.push(body), new Response(null, { status: 201 })));
    const slotFor = async () => ({ put: "https://example.org/upload/1/a?v=t", get: "https://example.org/upload/1/a" });
    const file = { ...kept, name: "a", type: "video/mp4" };
    expect(await uploadOpenly(store, "a", file, "https://example.org", slotFor, new AbortController().signal)).toBe("https://example.org/upload/1/a");
    await expectSame(new Uint8Array(await put[0]!.arrayBuffer()), bytes);
  });
});
