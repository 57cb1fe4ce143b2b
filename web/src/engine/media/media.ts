// Files: encrypted, uploaded, and shown by the service worker.

import type { Media } from "../chats/uploads";
import type { Part } from "../parts";
import type { EngineEvent, FileRef, MessageId } from "../protocol";
import { Refusal } from "../refusal";
import { SealedFile } from "./sealed-file";
import { FileUpload, type UploadPlace } from "./upload";

export class MediaPart implements Media, Part<"cancelUpload" | "pauseUpload"> {
  readonly #place: UploadPlace;
  readonly #say: (event: EngineEvent) => void;
  readonly #running = new Map<MessageId, FileUpload>();

  constructor(place: UploadPlace, say: (event: EngineEvent) => void) {
    this.#place = place;
    this.#say = say;
  }

  readonly commands = {
    cancelUpload: (id: MessageId) => this.#of(id).cancel(),
    pauseUpload: (id: MessageId, paused: boolean) => this.#of(id).pause(paused),
  };

  async upload(id: MessageId, file: Blob, about: Pick<FileRef, "name" | "type" | "thumbnail">): Promise<FileRef> {
    const sealed = await SealedFile.of(file);
    const say = (sentBytes: number, paused: boolean) => this.#say({ type: "upload", id, sentBytes, bytes: sealed.size, paused });
    const upload = new FileUpload(sealed, this.#place, say);
    this.#running.set(id, upload);
    try {
      const digest = await upload.run();
      say(sealed.size, false);
      return { ...about, digest, key: sealed.key, bytes: file.size };
    } finally {
      this.#running.delete(id);
    }
  }

  #of(id: MessageId): FileUpload {
    const upload = this.#running.get(id);
    if (!upload) throw new Refusal("not-found", "nothing is uploaded for this message");
    return upload;
  }
}
