// A device that has come back to its account is offered what the server has of it.
import type { App } from "../../app/context";

export async function offerRestore({ session, dialogs }: Pick<App, "session" | "dialogs">): Promise<void> {
  const found = await session.call("findBackup");
  if (!found) return;
  const { default: RestoreDialog } = await import("./RestoreDialog.svelte");
  dialogs.lay(RestoreDialog, { from: null, found, offered: true });
}
