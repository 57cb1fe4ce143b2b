// What every component may reach: the session with the engine, routes, preferences, words, and what pops up.
import { getContext, setContext } from "svelte";
import type { Dictionary } from "../languages/en";
import type { Dialogs } from "../components/dialogs.svelte";
import type { CallDesk } from "../calls/desk.svelte";
import type { Toasts } from "../components/toasts.svelte";
import type { Format } from "../languages/format";
import type { InstallOffer } from "../features/notifications/install.svelte";
import type { PushSwitch } from "../features/notifications/push.svelte";
import type { PreferenceKeeper } from "./preferences.svelte";
import type { Router } from "./router.svelte";
import type { Session } from "./session.svelte";

export interface App {
  session: Session;
  router: Router;
  preferences: PreferenceKeeper;
  /** Of the chosen language. All that is on screen is made anew when it changes. */
  words: Dictionary;
  format: Format;
  toasts: Toasts;
  dialogs: Dialogs;
  push: PushSwitch;
  install: InstallOffer;
  calls: CallDesk;
}

const KEY = Symbol("app");

export function provideApp(app: App): void {
  setContext(KEY, app);
}

export function useApp(): App {
  return getContext<App>(KEY);
}
