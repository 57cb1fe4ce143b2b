// Short words at the screen's edge that go by themselves.

export interface Toast { id: number; text: string; kind: "plain" | "bad"; action?: { label: string; run: () => void } }

const SHOWN_MS = 4500;
const TOASTS_MAX = 3;

export class Toasts {
  shown: Toast[] = $state.raw([]);
  #next = 0;

  show(text: string, kind: Toast["kind"] = "plain", action?: Toast["action"], stays?: "stays"): void {
    const toast = { id: this.#next++, text, kind, action };
    this.shown = [...this.shown, toast].slice(-TOASTS_MAX);
    // Some wait for an answer.
    if (!stays) setTimeout(() => this.close(toast.id), action ? SHOWN_MS * 2 : SHOWN_MS);
  }

  clear(): void {
    this.shown = [];
  }

  close(id: number): void {
    this.shown = this.shown.filter((toast) => toast.id !== id);
  }
}
