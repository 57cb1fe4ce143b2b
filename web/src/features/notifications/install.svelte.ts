// Installing the app: the browser offers it once, and the offer is kept until the user wants it.

interface InstallPrompt extends Event {
  prompt(): Promise<{ outcome: "accepted" | "dismissed" }>;
}

export class InstallOffer {
  #prompt: InstallPrompt | null = $state.raw(null);

  constructor() {
    addEventListener("beforeinstallprompt", (event) => {
      event.preventDefault();
      this.#prompt = event as InstallPrompt;
    });
    addEventListener("appinstalled", () => (this.#prompt = null));
  }

  /** The browser can install it, and has not. */
  get isPossible(): boolean {
    return this.#prompt !== null;
  }

  /** Shows the browser's question. It can be shown once. */
  async ask(): Promise<void> {
    const prompt = this.#prompt;
    this.#prompt = null;
    await prompt?.prompt().catch(() => undefined);
  }
}
