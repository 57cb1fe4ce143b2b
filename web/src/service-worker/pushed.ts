// A push came: something waits at the server, and nobody has said what (docs/protocol/web-push.md). Where the
// user looks at a page there is nothing to do. Else an engine catches up, and what it says is shown: a page's
// in the background, or one that runs here for as long as that takes. Where that cannot be (locked, no way to the
// server, too late) the notification says that something waits, and no more.

import type { Chat, ChatId, EngineEvent, EngineState, Notice } from "../engine/protocol";
import type { Run } from "./engine-run";
import type { Notifications } from "./show";

export interface PushAround {
  notifications: Pick<Notifications, "show" | "showWaiting" | "close" | "idle">;
  isSeen(): Promise<boolean>;
  withEngine<T>(task: (run: Run) => Promise<T>): Promise<T>;
  setBadge(unread: number): void;
  /** Nobody is signed in here any more: the push service is told so. */
  end(): Promise<void>;
  /** For tests. */
  limits?: { catchUpMs: number; lingerMs: number };
}

/** @returns once all is shown, and the engine has stopped. */
export async function pushed(text: string, around: PushAround): Promise<void> {
  if (await around.isSeen()) return;
  const { catchUpMs, lingerMs } = around.limits ?? LIMITS;
  const chat = chatOf(text);
  const ran = around.withEngine(async (run) => {
    const late = after(catchUpMs).then((): Outcome => "failed");
    switch (await Promise.race([noWay(run), catchUp(run, around), late])) {
      case "nobody":
        return around.end();
      case "failed":
        return around.notifications.showWaiting(chat);
      case "caught-up":
        // What others are to be told of, a receipt perhaps, is on its way.
        await after(lingerMs);
    }
  });
  await ran.catch(() => around.notifications.showWaiting(chat));
  await around.notifications.idle();
}

type Outcome = "caught-up" | "nobody" | "failed";

async function catchUp(run: Run, around: PushAround): Promise<Outcome> {
  let held: Notice[] | undefined = [];
  const chats = new Map<ChatId, Chat>();
  run.listen((event: EngineEvent) => {
    // Behind what has waited, each is shown as it comes.
    if (event.type === "notice" && held) held.push(event.notice);
    else if (event.type === "notice") void around.notifications.show(event.notice);
    if (event.type === "chat") chats.set(event.chat.id, event.chat);
  });
  try {
    await run.call("catchUp");
  } catch (error) {
    return isNobody(error) ? "nobody" : "failed";
  }
  // What was read meanwhile, by another device, calls nobody.
  const isRead = (chat: ChatId) => chats.get(chat)?.unread === 0;
  await around.notifications.close(isRead);
  const waited = held;
  held = undefined;
  for (const notice of waited) if (notice.reaction !== undefined || !isRead(notice.chat)) await around.notifications.show(notice);
  around.setBadge(unreadOf(await run.call("chats"), await run.now()));
  return "caught-up";
}

/** @returns once the server could not be reached several times in a row. */
function noWay(run: Run): Promise<Outcome> {
  return new Promise((resolve) => {
    let tries = 0;
    let before: EngineState["connection"] = "offline";
    run.listen((event) => {
      if (event.type !== "state") return;
      const { connection } = event.state;
      if (connection === "offline" && before === "connecting") tries += 1;
      else if (connection === "catching-up") tries = 0;
      before = connection;
      if (tries === TRIES_MAX) resolve("failed");
    });
  });
}

/** What the app's icon counts. */
export function unreadOf(chats: Iterable<Chat>, now: number): number {
  let unread = 0;
  for (const chat of chats) {
    const isMuted = chat.mutedUntil !== null && chat.mutedUntil > now;
    if (chat.archived || isMuted) unread += chat.mentionsMuted ? 0 : chat.mentions;
    else unread += chat.unread || Number(chat.markedUnread);
  }
  return unread;
}

/** `sender` is the room: its local part is the chat. */
function chatOf(text: string): ChatId | undefined {
  return /"sender":"([a-z0-9]{12})@/.exec(text)?.[1];
}

// While the app is locked there is no account either, and another name to the refusal.
function isNobody(error: unknown): boolean {
  return error instanceof Error && error.name === "not-allowed";
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const TRIES_MAX = 3;
/** Browsers give a push half a minute or more. */
const LIMITS = { catchUpMs: 20_000, lingerMs: 1_500 };
