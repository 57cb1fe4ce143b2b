// The picture of a link's preview: so small that it travels inside the message.
import { fit, toBlob } from "./prepare";

/** What a message has room for. */
const PICTURE_BYTES_MAX = 32_768;

/** Nothing where it cannot be read or is not to be made small enough. */
export async function linkPicture(image: Blob): Promise<Uint8Array | undefined> {
  const bitmap = await createImageBitmap(image).catch(() => null);
  if (!bitmap) return undefined;
  try {
    for (const [side, quality] of [[560, 0.7], [420, 0.6], [280, 0.6], [160, 0.5]] as const) {
      const { width, height } = fit(bitmap.width, bitmap.height, side);
      const canvas = document.createElement("canvas");
      Object.assign(canvas, { width, height });
      const context = canvas.getContext("2d")!;
      // JPEG knows no transparency.
      context.fillStyle = "#ffffff";
      context.fillRect(0, 0, width, height);
      context.drawImage(bitmap, 0, 0, width, height);
      const blob = await toBlob(canvas, "image/jpeg", quality);
      if (blob.size <= PICTURE_BYTES_MAX) return new Uint8Array(await blob.arrayBuffer());
    }
  } finally {
    bitmap.close();
  }
  return undefined;
}
