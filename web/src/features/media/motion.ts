// Whether what moves by itself is to stand still.
import type { Preferences } from "../../app/preferences.svelte";

export function isStill({ lessMotion }: Pick<Preferences, "lessMotion">): boolean {
  return lessMotion || matchMedia("(prefers-reduced-motion: reduce)").matches;
}
