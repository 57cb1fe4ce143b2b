// Web Share Target: what another app shares comes by a POST that never reaches the server. It stays in memory
// until the page that opens asks for it.

import type { Shared } from "./messages";

export const SHARE = "/share";

export class SharedOnce {
  #shared: Shared | undefined;
  #forgetting: ReturnType<typeof setTimeout> | undefined;

  /** Takes what is shared. @returns where the browser goes. */
  async take(request: Request): Promise<Response> {
    this.#keep(sharedIn(await request.formData()));
    return Response.redirect("/#/share", 303);
  }

  /** What was shared last, once. */
  give(): Shared | undefined {
    const shared = this.#shared;
    this.#keep(undefined);
    return shared;
  }

  #keep(shared: Shared | undefined): void {
    clearTimeout(this.#forgetting);
    this.#shared = shared;
    if (shared) this.#forgetting = setTimeout(() => this.#keep(undefined), KEPT_MS_MAX);
  }
}

/** The fields are those of the manifest's `share_target`. */
export function sharedIn(form: FormData): Shared {
  const words = ["title", "text", "url"].flatMap((name) => form.getAll(name)).filter((value): value is string => typeof value === "string" && value.trim() !== "");
  // Apps put the address into the text as well.
  const text = words.filter((word, index) => !words.some((other, at) => at !== index && other.includes(word) && (other !== word || at < index))).join("\n");
  const files = form.getAll("files").filter((value): value is File => value instanceof File && value.size > 0);
  return { text: text.slice(0, TEXT_CHARACTERS_MAX), files: files.slice(0, FILES_MAX) };
}

const KEPT_MS_MAX = 5 * 60_000;
const TEXT_CHARACTERS_MAX = 16_000;
const FILES_MAX = 30;
