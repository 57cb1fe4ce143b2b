// Questions and screens laid over the page, from wherever they are asked for.
import type { Component } from "svelte";

export interface Question { title: string; text?: string; action: string; danger?: boolean; others?: { label: string; value: string; danger?: boolean }[] }

interface Laid { id: number; component: Component<{ close: () => void }>; props: Record<string, unknown> }

export class Dialogs {
  question: (Question & { answer: (value: string | null) => void }) | null = $state.raw(null);
  laid: Laid[] = $state.raw([]);
  #next = 0;

  /** @returns whether the user agreed. */
  async confirm(question: Question): Promise<boolean> {
    return (await this.choose(question)) === "yes";
  }

  /** @returns "yes", one of the others' values, or null. */
  choose(question: Question): Promise<string | null> {
    this.question?.answer(null);
    return new Promise((resolve) => {
      this.question = {
        ...question,
        answer: (value) => {
          this.question = null;
          resolve(value);
        },
      };
    });
  }

  /** Lays a screen over the page. It gets `close` beside its props. */
  lay<Props extends { close: () => void }>(component: Component<Props>, props: Omit<Props, "close">): void {
    const id = this.#next++;
    this.laid = [...this.laid, { id, component: component as unknown as Laid["component"], props }];
  }

  clear(): void {
    this.question?.answer(null);
    this.laid = [];
  }

  close(id: number): void {
    this.laid = this.laid.filter((one) => one.id !== id);
  }
}
