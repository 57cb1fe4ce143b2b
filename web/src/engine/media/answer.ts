// RFC 9110 14: what is answered to a request for a file, whole or in part.

import { openedStream, type SealedAt } from "./opened-file";

export async function answerFile(file: SealedAt, request: Request): Promise<Response> {
  const range = parseRange(request.headers.get("Range"), file.bytes);
  const headers = new Headers({
    "Accept-Ranges": "bytes",
    "Cache-Control": "no-store",
    // It comes from somebody else, under our own origin: it is shown, and never run.
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; media-src 'self'; img-src 'self'",
    "Content-Type": shownType(file.type) ?? "application/octet-stream",
    "X-Content-Type-Options": "nosniff",
  });
  if (!shownType(file.type)) headers.set("Content-Disposition", "attachment");
  if (range === "unsatisfiable") {
    headers.set("Content-Range", `bytes */${file.bytes}`);
    return new Response(null, { status: 416, headers });
  }
  const { start, end } = range ?? { start: 0, end: file.bytes };
  headers.set("Content-Length", String(end - start));
  if (range) headers.set("Content-Range", `bytes ${start}-${end - 1}/${file.bytes}`);
  const body = await openedStream(file, start, end).catch(() => undefined);
  if (!body) return new Response(null, { status: 502 });
  return new Response(body, { status: range ? 206 : 200, headers });
}

/** One range. Several, and other units, are as if nothing were said (RFC 9110 14.2). */
export function parseRange(header: string | null, bytes: number): { start: number; end: number } | "unsatisfiable" | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  const [, from = "", to = ""] = match ?? [];
  if (!match || (from === "" && to === "")) return undefined;
  if (from === "") {
    const length = Math.min(Number(to), bytes);
    return length > 0 ? { start: bytes - length, end: bytes } : "unsatisfiable";
  }
  const start = Number(from);
  if (to !== "" && Number(to) < start) return undefined;
  if (start >= bytes) return "unsatisfiable";
  return { start, end: to === "" ? bytes : Math.min(Number(to) + 1, bytes) };
}

/** Types that a page shows without running what is in them. */
export function shownType(type: string): string | undefined {
  return /^(image\/(png|jpeg|gif|webp|avif|bmp)|(video|audio)\/[a-z0-9.+-]+)$/.test(type) ? type : undefined;
}
