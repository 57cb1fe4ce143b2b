// How long to wait before the next try: longer each time, and not all clients at one moment.

export class Backoff {
  #tries = 0;
  #wake: () => void = () => undefined;

  /** @param began whether the last try led to a session. */
  async wait(began: boolean): Promise<void> {
    this.#tries = began ? 0 : this.#tries + 1;
    const mostMs = Math.min(FIRST_MS * 2 ** this.#tries, MOST_MS);
    const waitMs = mostMs * (0.5 + Math.random() / 2);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Ends the waiting. */
  wake(): void {
    this.#tries = 0;
    this.#wake();
  }
}

const FIRST_MS = 500;
const MOST_MS = 30_000;
