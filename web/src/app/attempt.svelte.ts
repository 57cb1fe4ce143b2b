// What a form does when it is sent: one thing at a time, and where it is refused the form says why.
import { useApp, type App } from "./context";
import { refusalWords } from "./refusal";

export class Attempt {
  busy = $state(false);
  /** Of the last one, in words. */
  error: string | null = $state(null);
  // Apart from `busy`, so that an effect may run it without following it.
  #isUnderWay = false;
  readonly #app: Pick<App, "words" | "format">;

  constructor(app: Pick<App, "words" | "format">) {
    this.#app = app;
  }

  /** What is asked for while another one is under way is not done. */
  async run(work: () => Promise<void>): Promise<void> {
    if (this.#isUnderWay) return;
    this.#isUnderWay = this.busy = true;
    this.error = null;
    try {
      await work();
    } catch (refusal) {
      this.error = refusalWords(refusal, this.#app.words, this.#app.format);
    } finally {
      this.#isUnderWay = this.busy = false;
    }
  }
}

/** For a form's own component. */
export function useAttempt(): Attempt {
  return new Attempt(useApp());
}
