// Why a call was refused, as it travels from the engine to the page.

import type { EngineError } from "./protocol";

/** A refused call: its `name` is for programs (see {@link EngineError}). */
export class Refusal extends Error implements EngineError {
  readonly detail: string;
  readonly retryAfterS?: number;

  constructor(name: string, detail: string, options: ErrorOptions & { retryAfterS?: number } = {}) {
    super(detail, options);
    this.name = name;
    this.detail = detail;
    if (options.retryAfterS !== undefined) this.retryAfterS = options.retryAfterS;
  }

  /** One that has travelled. */
  static from({ name, detail, retryAfterS }: EngineError): Refusal {
    return new Refusal(name, detail, retryAfterS === undefined ? {} : { retryAfterS });
  }

  /** What the page is told of any error: those that nobody foresaw are `internal`. */
  static of(error: unknown): Refusal {
    if (error instanceof Refusal) return error;
    if (error instanceof Error && error.name === "StoreFull") return new Refusal("full", error.message, { cause: error });
    const detail = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return new Refusal("internal", detail, { cause: error });
  }

  /** In a form that can be cloned. */
  toError(): EngineError {
    const error: EngineError = { name: this.name, detail: this.detail };
    if (this.retryAfterS !== undefined) error.retryAfterS = this.retryAfterS;
    return error;
  }
}
