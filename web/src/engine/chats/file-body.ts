// What a message with a file says, by the file and what the user said of it.

import type { MessageBody } from "../content/contents";
import type { Draft, FileRef } from "../protocol";

export type FileContent = Extract<Draft["content"], { file: Blob }>;

export function bodyOf(content: FileContent, file: FileRef): MessageBody & { file: FileRef } {
  switch (content.kind) {
    case "voice":
      return { kind: "voice", file, durationMs: content.durationMs, waveform: content.waveform };
    case "document":
      return { kind: "document", file, caption: content.caption };
    default: {
      const { caption, width, height, durationMs } = content;
      return { kind: content.kind, file, caption, width, height, ...(durationMs !== undefined && { durationMs }) };
    }
  }
}

/** What is known of the file before it is encrypted. */
export function about(content: FileContent): Pick<FileRef, "name" | "type" | "thumbnail"> {
  const name = "name" in content ? content.name : "";
  const type = content.file.type || "application/octet-stream";
  const thumbnail = "thumbnail" in content ? content.thumbnail : undefined;
  return { name, type, ...(thumbnail && { thumbnail }) };
}
