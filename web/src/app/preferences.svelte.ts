// How this browser shows the app. It says nothing about the account, so it lies unsealed in localStorage.
import { chooseLanguage, direction, isLanguage, type Language } from "../languages/languages";

export const THEMES = ["system", "light", "dark"] as const;
export const ACCENTS = ["tide", "heather", "dusk", "coral", "moss", "amber"] as const;
export const TEXT_SIZES = ["small", "normal", "large", "largest"] as const;

export interface Preferences {
  theme: (typeof THEMES)[number];
  accent: (typeof ACCENTS)[number];
  textSize: (typeof TEXT_SIZES)[number];
  language: Language | null;
  lessMotion: boolean;
  enterSends: boolean;
  ownColour: string | null;
  otherColour: string | null;
  wallpaper: string | null;
  recentEmoji: string[];
  /** Notifications on this device, where the browser allows them. */
  notices: boolean;
  /** The user was asked once, and not again. */
  noticesAsked: boolean;
  installAsked: boolean;
}

export const STANDARD: Preferences = {
  theme: "system",
  accent: "tide",
  textSize: "normal",
  language: null,
  lessMotion: false,
  enterSends: true,
  ownColour: null,
  otherColour: null,
  wallpaper: "shore",
  recentEmoji: [],
  notices: true,
  noticesAsked: false,
  installAsked: false,
};

const KEY = "whimbrel.preferences";

/** What was kept, where it is of the right form; otherwise the standard. */
export function parsePreferences(text: string | null): Preferences {
  let kept: unknown;
  try {
    kept = JSON.parse(text ?? "{}");
  } catch {
    return { ...STANDARD };
  }
  if (typeof kept !== "object" || kept === null) return { ...STANDARD };
  const of = kept as Record<string, unknown>;
  const word = <T extends string>(value: unknown, allowed: readonly T[], otherwise: T): T =>
    allowed.includes(value as T) ? (value as T) : otherwise;
  const colour = (value: unknown, otherwise: string | null) => (typeof value === "string" && value.length < 24 ? value : otherwise);
  return {
    theme: word(of.theme, THEMES, STANDARD.theme),
    accent: word(of.accent, ACCENTS, STANDARD.accent),
    textSize: word(of.textSize, TEXT_SIZES, STANDARD.textSize),
    language: typeof of.language === "string" && isLanguage(of.language) ? of.language : null,
    lessMotion: of.lessMotion === true,
    enterSends: of.enterSends !== false,
    ownColour: colour(of.ownColour, null),
    otherColour: colour(of.otherColour, null),
    wallpaper: colour(of.wallpaper, STANDARD.wallpaper),
    recentEmoji: Array.isArray(of.recentEmoji) ? of.recentEmoji.filter((e): e is string => typeof e === "string" && e.length < 32).slice(0, 24) : [],
    notices: of.notices !== false,
    noticesAsked: of.noticesAsked === true,
    installAsked: of.installAsked === true,
  };
}

export class PreferenceKeeper {
  current: Preferences = $state.raw(parsePreferences(read()));
  language: Language = $derived(this.current.language ?? chooseLanguage(navigator.languages));

  constructor() {
    this.#show();
    window.addEventListener("storage", (event) => {
      if (event.key !== KEY) return;
      this.current = parsePreferences(event.newValue);
      this.#show();
    });
  }

  set(change: Partial<Preferences>): void {
    this.current = { ...this.current, ...change };
    try {
      localStorage.setItem(KEY, JSON.stringify(this.current));
    } catch {
      // Without room the choice holds for this page.
    }
    this.#show();
  }

  #show(): void {
    const root = document.documentElement;
    const { theme, accent, textSize, lessMotion } = this.current;
    root.dataset.theme = theme;
    root.dataset.accent = accent;
    root.dataset.text = textSize;
    root.dataset.motion = lessMotion ? "reduced" : "full";
    root.lang = this.language;
    root.dir = direction(this.language);
  }
}

function read(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
