// What own devices agree on about the app. Held in memory, since each view asks it.

import type { EngineEvent, Settings } from "../protocol";
import { later, type Later, type Stamp } from "../content/row";
import type { Batch, Reader } from "../store/store";

/** Of each, where in the own log it was set. */
export type KeptSettings = { [Name in keyof Settings]?: Later<Settings[Name]> };

export class SettingsBook {
  #kept: KeptSettings;

  static async open(reader: Reader): Promise<SettingsBook> {
    return new SettingsBook((await reader.get<KeptSettings>("meta", SETTINGS)) ?? {});
  }

  private constructor(kept: KeptSettings) {
    this.#kept = kept;
  }

  get current(): Settings {
    const set = Object.entries(this.#kept).map(([name, kept]) => [name, kept.value]);
    return { ...DEFAULTS, ...(Object.fromEntries(set) as Partial<Settings>) };
  }

  /** @returns what the pages are told once the batch is kept. */
  take(batch: Batch, change: Partial<Settings>, stamp: Stamp): EngineEvent[] {
    const kept: Record<string, Later<unknown>> = { ...this.#kept };
    for (const [name, value] of Object.entries(change)) {
      if (Object.hasOwn(DEFAULTS, name)) kept[name] = later(kept[name], stamp, value);
    }
    this.#kept = kept as KeptSettings;
    batch.put("meta", SETTINGS, kept);
    return [{ type: "settings", settings: this.current }];
  }
}

const DEFAULTS: Settings = {
  readReceipts: true,
  lastSeen: "contacts",
  avatarAudience: "everybody",
  addable: "everybody",
  discoverable: true,
  disappearingS: null,
  linkPreviews: null,
  notifications: { sounds: true, previews: true, doNotDisturbUntil: null },
};
export const SETTINGS = ["settings"];
