// Files before they are sent: what they are, their size on screen, a thumbnail that fits into the message.

export type Kind = "photo" | "film" | "gif" | "document";
export interface Prepared { kind: Kind; file: Blob; name: string; width: number; height: number; durationMs?: number; thumbnail?: Uint8Array }

/** What a message has room for. */
const THUMBNAIL_BYTES_MAX = 4096;
const THUMBNAIL_SIDE = 96;
/** Larger photos are made smaller; it also leaves behind what a camera notes of the place. */
const PHOTO_SIDE_MAX = 2560;
const JPEG_QUALITY = 0.86;

export function kindOf(type: string): Kind {
  if (type === "image/gif") return "gif";
  if (/^image\/(jpeg|png|webp|avif|bmp)$/.test(type)) return "photo";
  return /^video\/(mp4|webm|quicktime|ogg)$/.test(type) ? "film" : "document";
}

/** @throws where the browser cannot read the file as what it says to be; then it is sent as a document. */
export async function prepare(file: Blob, name: string, kind: Kind): Promise<Prepared> {
  switch (kind) {
    case "photo":
      return preparePhoto(file, name);
    case "gif": {
      const image = await createImageBitmap(file);
      return { kind, file, name, width: image.width, height: image.height, ...(await thumbnail(image, image.width, image.height)) };
    }
    case "film":
      return prepareFilm(file, name);
    case "document":
      return { kind, file, name, width: 0, height: 0 };
  }
}

/** The size that fits into a square, never larger than it was. */
export function fit(width: number, height: number, side: number): { width: number; height: number } {
  const scale = Math.min(1, side / Math.max(width, height, 1));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/** What a photo is written as: one that may have transparent parts keeps them. */
export function typeOf({ type }: Blob): "image/webp" | "image/jpeg" {
  return type === "image/png" || type === "image/webp" ? "image/webp" : "image/jpeg";
}

async function preparePhoto(file: Blob, name: string): Promise<Prepared> {
  const image = await createImageBitmap(file, { imageOrientation: "from-image" });
  const size = fit(image.width, image.height, PHOTO_SIDE_MAX);
  const whole = await draw(image, size.width, size.height, typeOf(file), JPEG_QUALITY);
  const small = await thumbnail(image, image.width, image.height);
  image.close();
  return { kind: "photo", file: whole, name: name.replace(/\.[^.]+$/, "") + (whole.type === "image/webp" ? ".webp" : ".jpg"), ...size, ...small };
}

async function prepareFilm(file: Blob, name: string): Promise<Prepared> {
  const video = document.createElement("video");
  const url = URL.createObjectURL(file);
  video.muted = true;
  video.preload = "auto";
  video.src = url;
  try {
    await happens(video, "loadeddata");
    video.currentTime = Math.min(0.5, video.duration / 2 || 0);
    await happens(video, "seeked");
    const { videoWidth: width, videoHeight: height } = video;
    const durationMs = Number.isFinite(video.duration) ? Math.round(video.duration * 1000) : 0;
    return { kind: "film", file, name, width, height, durationMs, ...(await thumbnail(video, width, height)) };
  } finally {
    URL.revokeObjectURL(url);
  }
}

async function thumbnail(source: CanvasImageSource, width: number, height: number): Promise<{ thumbnail?: Uint8Array }> {
  for (const [side, quality] of [[THUMBNAIL_SIDE, 0.6], [THUMBNAIL_SIDE, 0.3], [48, 0.4], [24, 0.4]] as const) {
    const size = fit(width, height, side);
    const blob = await draw(source, size.width, size.height, "image/jpeg", quality);
    if (blob.size <= THUMBNAIL_BYTES_MAX) return { thumbnail: new Uint8Array(await blob.arrayBuffer()) };
  }
  return {};
}

async function draw(source: CanvasImageSource, width: number, height: number, type: string, quality: number): Promise<Blob> {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d")!.drawImage(source, 0, 0, width, height);
  return toBlob(canvas, type, quality);
}

export function toBlob(canvas: HTMLCanvasElement, type: string, quality: number): Promise<Blob> {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the canvas could not be written as an image"))), type, quality);
  });
}

function happens(video: HTMLVideoElement, name: string): Promise<void> {
  const WAIT_MS_MAX = 8000;
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`the film did not come to "${name}"`)), WAIT_MS_MAX);
    video.addEventListener(name, () => (clearTimeout(late), resolve()), { once: true });
    video.addEventListener("error", () => (clearTimeout(late), reject(new Error("the film cannot be read"))), { once: true });
  });
}
