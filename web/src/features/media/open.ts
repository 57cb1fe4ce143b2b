// The viewer is fetched when it is first needed.
import type { App } from "../../app/context";
import type { Message } from "../../engine/protocol";

export async function openViewer(message: Message, app: App): Promise<void> {
  const { default: Viewer } = await import("./Viewer.svelte");
  app.dialogs.lay(Viewer, { message });
}
