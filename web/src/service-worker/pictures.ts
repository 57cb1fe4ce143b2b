// Pictures for notifications: small enough to be put into them, for what is encrypted has no address there.

import { openedStream } from "../engine/media/opened-file";
import type { FileRef, Notice } from "../engine/protocol";
import { hueOf, initialsOf } from "../components/initials";
import type { Pictures } from "./notification";

/** Whoever writes, or the group; and the photo. What is not there in time is left out. */
export async function picturesOf(notice: Notice): Promise<Pictures> {
  const { picture } = notice.content ?? {};
  const [icon, image] = await Promise.all([
    soon(notice.avatar ? shrunk(notice.avatar, ICON_PIXELS, true) : undefined).then((found) => found ?? soon(initials(notice))),
    soon(picture && shrunk(picture, IMAGE_PIXELS, false)),
  ]);
  return { ...(icon !== undefined && { icon }), ...(image !== undefined && { image }) };
}

async function shrunk(file: FileRef, pixels: number, isSquare: boolean): Promise<string> {
  const bitmap = await createImageBitmap(await opened(file));
  const side = Math.min(bitmap.width, bitmap.height);
  const [width, height] = isSquare ? [side, side] : [bitmap.width, bitmap.height];
  const scale = Math.min(1, pixels / Math.max(width, height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
  const [left, top] = [(bitmap.width - width) / 2, (bitmap.height - height) / 2];
  canvas.getContext("2d")?.drawImage(bitmap, left, top, width, height, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return dataUrl(canvas);
}

async function opened(file: FileRef): Promise<Blob> {
  const { digest, key, bytes, type, name, thumbnail } = file;
  if (bytes <= WHOLE_BYTES_MAX && digest !== "") {
    const whole = await openedStream({ digest, key, bytes, type, name }, 0, bytes).then((stream) => new Response(stream).blob()).catch(() => undefined);
    if (whole) return whole;
  }
  if (!thumbnail) throw new Error("there is no small picture of it");
  return new Blob([new Uint8Array(thumbnail)]);
}

async function initials({ name, chat }: Notice): Promise<string> {
  const canvas = new OffscreenCanvas(ICON_PIXELS, ICON_PIXELS);
  const context = canvas.getContext("2d");
  if (!context) throw new Error("nothing can be drawn");
  const hue = hueOf(chat);
  context.fillStyle = `oklch(0.87 0.06 ${hue})`;
  context.beginPath();
  context.arc(ICON_PIXELS / 2, ICON_PIXELS / 2, ICON_PIXELS / 2, 0, 2 * Math.PI);
  context.fill();
  context.fillStyle = `oklch(0.36 0.09 ${hue})`;
  context.font = `600 ${ICON_PIXELS * 0.38}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(initialsOf(name), ICON_PIXELS / 2, ICON_PIXELS * 0.52);
  return dataUrl(canvas);
}

async function dataUrl(canvas: OffscreenCanvas): Promise<string> {
  const blob = await canvas.convertToBlob({ type: "image/png" });
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return `data:image/png;base64,${btoa(text)}`;
}

function soon(task: Promise<string> | undefined): Promise<string | undefined> {
  const late = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), WAITED_MS_MAX));
  return Promise.race([task?.catch(() => undefined), late]);
}

const ICON_PIXELS = 96;
const IMAGE_PIXELS = 512;
/** Larger ones are shown by their small picture. */
const WHOLE_BYTES_MAX = 2_000_000;
const WAITED_MS_MAX = 3_000;
