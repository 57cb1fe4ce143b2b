// What the user does about calls, and what he is told of it.

import type { App } from "../../app/context";
import type { ChatId } from "../../engine/protocol";
import { attempt } from "../chats/actions";

export function joinCall(chat: ChatId, isVideo: boolean, app: App): Promise<unknown> {
  const { calls, toasts, words } = app;
  return attempt(app, () => calls.join(chat, isVideo, (reason) => toasts.show(words.call.ended[reason])));
}
