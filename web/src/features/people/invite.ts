// An invitation to this server, shared by what the device shares by, or copied.
import type { App } from "../../app/context";
import { attempt } from "../chats/actions";

export async function invite(app: App): Promise<void> {
  await share(app.words.people.inviteText(location.origin), app);
}

export async function share(text: string, app: App): Promise<void> {
  if (navigator.share) {
    try {
      return await navigator.share({ text });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return;
    }
  }
  if (await attempt(app, () => navigator.clipboard.writeText(text))) app.toasts.show(app.words.app.copied);
}
