// XEP-0198: how many stanzas of a session are handled, which is what the server may forget. They are
// handled side by side and end in any order; counted is what has nothing unhandled before it.

export class Handled {
  #arrived = 0;
  #count = 0;
  readonly #ahead = new Set<number>();
  #whenIdle: (() => void)[] = [];

  get count(): number {
    return this.#count % 2 ** 32;
  }

  get isIdle(): boolean {
    return this.#count === this.#arrived;
  }

  /** @returns what is called once the stanza is handled. */
  arrive(): () => void {
    const place = this.#arrived++;
    return () => {
      this.#ahead.add(place);
      while (this.#ahead.delete(this.#count)) this.#count++;
      if (this.isIdle) for (const tell of this.#whenIdle.splice(0)) tell();
    };
  }

  /** Waits until all that has arrived is handled. */
  idle(): Promise<void> {
    return this.isIdle ? Promise.resolve() : new Promise((resolve) => this.#whenIdle.push(resolve));
  }
}
