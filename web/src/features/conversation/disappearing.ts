// How long messages of a chat last: asked for by a dialog.
import type { App } from "../../app/context";
import type { Chat } from "../../engine/protocol";
import { attempt } from "../chats/actions";
import type { Dictionary } from "../../languages/en";

const DAY_S = 86_400;
export const LIVES_S = [DAY_S, 7 * DAY_S, 90 * DAY_S];

export function lifeWords(lifeS: number | null, words: Dictionary): string {
  if (lifeS === null) return words.time.off;
  return [words.time.day, words.time.week, words.time.quarter][LIVES_S.indexOf(lifeS)] ?? `${Math.round(lifeS / 3600)} h`;
}

export async function chooseDisappearing(chat: Chat, app: App): Promise<void> {
  const { words, dialogs, session } = app;
  const choice = await dialogs.choose({
    title: words.chat.disappearing,
    text: `${lifeWords(chat.disappearingS, words)}`,
    action: words.time.off,
    others: LIVES_S.map((lifeS) => ({ label: lifeWords(lifeS, words), value: String(lifeS) })),
  });
  if (choice) await attempt(app, () => session.call("setDisappearing", chat.id, choice === "yes" ? null : Number(choice)));
}
