// The words for why a call was refused.
import type { Dictionary } from "../languages/en";
import type { Format } from "../languages/format";
import { isEngineError } from "./session.svelte";

/** @returns a sentence for people. What has no words of its own is told by what the engine says of it. */
export function refusalWords(error: unknown, words: Dictionary, format: Format): string {
  if (!isEngineError(error)) return words.errors.internal;
  const known = (words.errors as Record<string, unknown>)[error.name];
  const sentence = typeof known === "string" ? known : error.detail || words.errors.internal;
  return error.retryAfterS ? `${sentence}. ${words.errors.wait(format.span(error.retryAfterS))}`.replace("..", ".") : sentence;
}
