// Puts a sticker among the user's own.
import type { App } from "../../app/context";
import type { Message, Sticker } from "../../engine/protocol";
import { attempt } from "../chats/actions";

export function stickerOf({ content }: Message): Sticker | null {
  if (content.kind !== "sticker" || !content.file.digest) return null;
  const { file, width, height } = content;
  return { file, width, height };
}

export async function keepSticker(sticker: Sticker, app: App): Promise<boolean> {
  const isKept = await attempt(app, () => app.session.call("keepSticker", sticker, true));
  if (isKept) app.toasts.show(app.words.stickers.kept);
  return isKept;
}

export async function openSticker(message: Message, app: App): Promise<void> {
  const sticker = stickerOf(message);
  if (!sticker) return;
  const { default: StickerDialog } = await import("./StickerDialog.svelte");
  app.dialogs.lay(StickerDialog, { sticker });
}
