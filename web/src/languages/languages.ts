// The languages of the app: which there are, how one is chosen, and how its dictionary is loaded.
import { en, type Dictionary } from "./en";

export const LANGUAGES = { en: "English", de: "Deutsch", es: "Español", hi: "हिन्दी", ar: "العربية" } as const;
export type Language = keyof typeof LANGUAGES;

export function isLanguage(name: string): name is Language {
  return Object.hasOwn(LANGUAGES, name);
}

/** The first of the wanted languages (BCP 47 tags) that there is, or English. */
export function chooseLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const primary = tag.toLowerCase().split("-")[0] ?? "";
    if (isLanguage(primary)) return primary;
  }
  return "en";
}

export function direction(language: Language): "ltr" | "rtl" {
  return language === "ar" ? "rtl" : "ltr";
}

/** English is always there; the others are fetched when they are chosen. */
export async function loadDictionary(language: Language): Promise<Dictionary> {
  switch (language) {
    case "en":
      return en;
    case "de":
      return (await import("./de")).de;
    case "es":
      return (await import("./es")).es;
    case "hi":
      return (await import("./hi")).hi;
    case "ar":
      return (await import("./ar")).ar;
  }
}
