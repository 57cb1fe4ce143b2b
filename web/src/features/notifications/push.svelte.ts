// Whether this browser is told of messages: the user's permission, and its push service's subscription at the server.
import type { PreferenceKeeper } from "../../app/preferences.svelte";
import type { Session } from "../../app/session.svelte";
import { closeRead } from "../../service-worker/show";
import { keysOf } from "../../service-worker/subscription";

/** `open-only`: notices are shown while the app is open somewhere, for the browser has no push service. */
export type PushState = "unavailable" | "undecided" | "denied" | "off" | "on" | "open-only";

export class PushSwitch {
  state: PushState = $state("unavailable");
  readonly #session: Session;
  readonly #preferences: PreferenceKeeper;

  constructor(session: Session, preferences: PreferenceKeeper) {
    this.#session = session;
    this.#preferences = preferences;
    this.#look();
  }

  /** The user may be asked. */
  get mayAsk(): boolean {
    return this.state === "undecided";
  }

  /** Notices are to be shown. */
  get isOn(): boolean {
    return this.state === "on" || this.state === "open-only";
  }

  /** Asks for the permission, where that is not decided, and subscribes. */
  async turnOn(): Promise<void> {
    this.#preferences.set({ notices: true });
    if (Notification.permission === "default") await Notification.requestPermission();
    this.#look();
    if (this.isOn) await this.renew();
  }

  async turnOff(): Promise<void> {
    this.#preferences.set({ notices: false });
    this.#look();
    await leavePush(this.#session);
  }

  /** The server has the subscription as it is now. For each time that this page is online. */
  async renew(): Promise<void> {
    if (!this.isOn) return;
    try {
      await subscribe(this.#session);
      this.state = "on";
    } catch {
      // No push service, none at the server, or no stream: the next one tries again.
      this.state = "open-only";
    }
  }

  #look(): void {
    if (!("Notification" in globalThis) || !navigator.serviceWorker) this.state = "unavailable";
    else if (Notification.permission === "denied") this.state = "denied";
    else if (Notification.permission === "default") this.state = "undecided";
    else if (!this.#preferences.current.notices) this.state = "off";
    else if (this.state !== "on") this.state = "open-only";
  }
}

async function subscribe(session: Session): Promise<void> {
  const { pushManager } = await registration();
  const key = await session.call("pushKey");
  const former = await pushManager.getSubscription();
  const isOurs = former && base64url(former.options.applicationServerKey) === key;
  // A server that was made anew has another key.
  if (former && !isOurs) await former.unsubscribe();
  const subscription = isOurs ? former : await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  await session.call("subscribePush", keysOf(subscription));
}

/** @throws Error where there is no service worker, as in some private windows. */
async function registration(): Promise<ServiceWorkerRegistration> {
  const late = new Promise<never>((_, reject) => setTimeout(() => reject(new Error("there is no service worker")), REGISTERED_MS_MAX));
  return Promise.race([navigator.serviceWorker.ready, late]);
}

const REGISTERED_MS_MAX = 5_000;

/** This browser is told nothing any more. What cannot be said to the server now its push service says. */
export async function leavePush(session: Session): Promise<void> {
  await session.call("unsubscribePush").catch(() => undefined);
  await forgetPush();
}

/** Nobody is signed in here. */
export async function forgetPush(): Promise<void> {
  const registration = await navigator.serviceWorker?.getRegistration();
  const subscription = await registration?.pushManager?.getSubscription();
  await subscription?.unsubscribe();
  if (registration?.getNotifications) await closeRead(registration, () => true);
  await navigator.clearAppBadge?.();
}

function base64url(key: ArrayBuffer | null): string {
  const text = String.fromCharCode(...new Uint8Array(key ?? new ArrayBuffer(0)));
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
