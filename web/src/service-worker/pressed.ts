// A notification was pressed, or one of its buttons.

import type { Run } from "./engine-run";
import type { OpenChat } from "./messages";
import type { Carried } from "./notification";

export interface PressAround {
  /** Pages, the one that was used last before the others. */
  pages(): Promise<readonly Page[]>;
  openPage(url: string): Promise<unknown>;
  withEngine<T>(task: (run: Run) => Promise<T>): Promise<T>;
}

export interface Page {
  focus(): Promise<unknown>;
  postMessage(message: OpenChat): void;
}

/** @param action empty where the notification itself was pressed; @param reply what was written into it */
export async function pressed({ chat, upTo }: Partial<Carried>, action: string, reply: string | null, around: PressAround): Promise<void> {
  if (chat === undefined || action === "") return open(chat, around);
  switch (action) {
    case "reply":
      // Where the browser has no field for it, the chat has one.
      if (!reply?.trim()) return open(chat, around);
      return told(around, async (run) => {
        if (upTo !== undefined) await run.call("markRead", chat, upTo);
        await run.call("send", chat, { content: { kind: "text", text: reply.trim() } });
      });
    case "read":
      return told(around, async (run) => {
        if (upTo !== undefined) await run.call("markRead", chat, upTo);
      });
    case "mute":
      return told(around, async (run) => run.call("setChat", chat, { mutedUntil: (await run.now()) + MUTED_MS }));
    default:
      return open(chat, around);
  }
}

async function open(chat: string | undefined, { pages, openPage }: PressAround): Promise<void> {
  const [page] = await pages();
  if (!page) return void (await openPage(chat === undefined ? "/" : `/#/chat/${encodeURIComponent(chat)}`));
  await page.focus();
  if (chat !== undefined) page.postMessage({ type: "open", chat });
}

// It is kept at once, and goes out when the stream has caught up; what does not leave now leaves with the next page.
function told({ withEngine }: PressAround, task: (run: Run) => Promise<unknown>): Promise<void> {
  return withEngine(async (run) => {
    await task(run);
    const late = new Promise((resolve) => setTimeout(resolve, LEAVE_MS_MAX));
    await Promise.race([run.call("catchUp").catch(() => undefined).then(() => after(LINGER_MS)), late]);
  });
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const MUTED_MS = 8 * 3_600_000;
const LEAVE_MS_MAX = 15_000;
/** Until what was said has left. */
const LINGER_MS = 1_500;
