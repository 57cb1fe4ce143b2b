// RFC 6120 8.3: a stanza was refused by the other side.

import type { Element } from "@xmpp/client";
import { Refusal } from "../refusal";

/** Its `name` is the defined condition; the application-specific one says more (docs/protocol/mls.md, "Errors"). */
export class StanzaRefused extends Refusal {
  /** `other-epoch`, with its attributes, if there is one. */
  readonly application: Element | undefined;
  /** `wait`: the same may be taken later. */
  readonly type: string;

  /** @param stanza of type error. */
  constructor(stanza: Element) {
    const error = stanza.getChild("error");
    const conditions = error?.getChildElements() ?? [];
    const defined = conditions.find((child) => child.getNS() === STANZAS && child.getName() !== "text");
    const name = defined?.getName() ?? "undefined-condition";
    const application = conditions.find((child) => child.getNS() !== STANZAS);
    const text = error?.getChildText("text", STANZAS);
    super(name, text ?? application?.getName() ?? `${stanza.attrs["from"] ?? "the server"} refused it`);
    this.application = application;
    this.type = error?.attrs["type"] ?? "cancel";
  }

  /** Whether the application-specific condition is this one. */
  is(name: string): boolean {
    return this.application?.getName() === name;
  }
}

const STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas";
