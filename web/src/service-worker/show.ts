// Shows notices and takes them away again, one after the other: two at once would not know of one another.

import type { ChatId, Notice } from "../engine/protocol";
import type { NoticeWords } from "./messages";
import { notificationOf, waitingNotification, WAITING, type Carried, type Pictures } from "./notification";

/** Of a registration what is needed. */
export interface Registration {
  showNotification(title: string, options?: NotificationOptions): Promise<void>;
  getNotifications(filter?: { tag?: string }): Promise<Notification[]>;
}

export interface ShowAround {
  registration: Registration;
  words(): Promise<NoticeWords>;
  picturesOf(notice: Notice): Promise<Pictures>;
  /** The user looks at a page of ours. */
  isSeen(): Promise<boolean>;
  actionsMax: number;
}

export class Notifications {
  readonly #around: ShowAround;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(around: ShowAround) {
    this.#around = around;
  }

  /** Shows it, unless the user looks at a page. */
  show(notice: Notice): Promise<void> {
    return this.#next(() => this.#show(notice));
  }

  /** Says that something waits, where nothing more can be said. */
  showWaiting(chat: ChatId | undefined): Promise<void> {
    return this.#next(async () => {
      const { registration, words, isSeen } = this.#around;
      if (await isSeen()) return;
      // What is shown of the chat says more.
      const [former] = await registration.getNotifications({ tag: chat ?? WAITING });
      if (former && carriedBy(former)) return;
      const { title, options } = waitingNotification(chat, await words());
      await registration.showNotification(title, options);
    });
  }

  /** These were read, here or elsewhere. */
  close(isRead: (chat: ChatId) => boolean): Promise<void> {
    return this.#next(() => closeRead(this.#around.registration, isRead));
  }

  /** @returns once all is shown. */
  async idle(): Promise<void> {
    await this.#queue;
  }

  async #show(notice: Notice): Promise<void> {
    const { registration, words, picturesOf, isSeen, actionsMax } = this.#around;
    if (await isSeen()) return;
    const [former] = await registration.getNotifications({ tag: notice.chat });
    const shown = notificationOf(notice, await words(), former && carriedBy(former), await picturesOf(notice), actionsMax);
    if (shown) await registration.showNotification(shown.title, shown.options);
  }

  #next(task: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(task);
    this.#queue = done.catch(() => undefined);
    return done;
  }
}

/** Takes away what was read, and what says only that something waits. */
export async function closeRead(registration: Pick<Registration, "getNotifications">, isRead: (chat: ChatId) => boolean): Promise<void> {
  for (const notification of await registration.getNotifications()) {
    const { chat } = (notification.data ?? {}) as Partial<Carried>;
    if (chat === undefined || isRead(chat)) notification.close();
  }
}

function carriedBy({ data }: Notification): Carried | undefined {
  return Array.isArray((data as Partial<Carried> | null)?.lines) ? (data as Carried) : undefined;
}
