// A file that was sent, saved where the user keeps files.
import type { App } from "../../app/context";
import type { FileRef } from "../../engine/protocol";
import { attempt } from "../chats/actions";

export function save(file: FileRef, app: App): Promise<boolean> {
  return attempt(app, async () => {
    const link = document.createElement("a");
    link.href = await app.session.fileUrl(file);
    link.download = file.name || "file";
    link.rel = "noopener";
    document.body.append(link);
    link.click();
    link.remove();
  });
}
