// XEP-0352 Client State Indication: the server hears whether anybody looks at one of this browser's pages. Where
// nobody does, it calls the account's browsers (docs/protocol/web-push.md) though this one has a stream.

import { xml } from "@xmpp/client";
import type { Part, Xmpp } from "../parts";
import { LOOKED_AT } from "./looked-at";

type Names = "attention";

export class Attention implements Part<Names> {
  readonly #xmpp: Xmpp;
  readonly #isSeen: () => Promise<boolean>;
  /** What the server takes for true; unknown after a cut. */
  #told: boolean | undefined;
  #telling: Promise<void> = Promise.resolve();

  constructor(xmpp: Xmpp, isSeen: () => Promise<boolean> = isAnyPageSeen) {
    this.#xmpp = xmpp;
    this.#isSeen = isSeen;
  }

  readonly commands: Part<Names>["commands"] = { attention: () => this.#tellSoon() };

  async online(): Promise<void> {
    this.#told = undefined;
    await this.#tellSoon();
  }

  // One after the other: what is asked last is told last.
  #tellSoon(): Promise<void> {
    this.#telling = this.#telling.then(() => this.#tell()).catch(() => undefined);
    return this.#telling;
  }

  async #tell(): Promise<void> {
    const isSeen = await this.#isSeen();
    if (isSeen === this.#told) return;
    await this.#xmpp.send(xml(isSeen ? "active" : "inactive", { xmlns: "urn:xmpp:csi:0" }));
    this.#told = isSeen;
  }
}

async function isAnyPageSeen(): Promise<boolean> {
  const locks = (globalThis.navigator as Navigator | undefined)?.locks as LockManager | undefined;
  // Where there are no pages (tests in Node.js), somebody is taken to be there.
  if (!locks) return true;
  const { held } = await locks.query();
  return held?.some(({ name }) => name === LOOKED_AT) ?? false;
}
