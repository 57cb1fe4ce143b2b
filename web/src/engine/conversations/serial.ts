// Tasks that concern one thing, one behind the other.

export class Serial {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs the task when all before it have ended, however they ended. */
  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
