// What a scanned code or an opened link asks for: a person of this server, or an invitation to a group.
import type { App } from "../../app/context";
import { attempt } from "../chats/actions";
import JoinDialog from "./JoinDialog.svelte";
import { write } from "./write";

export type Code = { kind: "person"; number: string } | { kind: "account"; account: string } | { kind: "invitation"; uri: string } | { kind: "unknown" };

/** The address that one's own code has: it opens the app at this person. */
export function personLink(origin: string, account: string): string {
  return `${origin}/#/person/${encodeURIComponent(account)}`;
}

export function joinLink(origin: string, uri: string): string {
  return `${origin}/#/join/${encodeURIComponent(uri)}`;
}

export function readCode(text: string): Code {
  const trimmed = text.trim();
  const hash = /#\/(person|join)\/([^/\s]+)$/.exec(trimmed);
  const inner = hash && decode(hash[2]!);
  if (hash && inner) return hash[1] === "person" ? { kind: "account", account: inner } : { kind: "invitation", uri: inner };
  if (/^xmpp:[^\s?]+@[^\s?]+\?join/i.test(trimmed)) return { kind: "invitation", uri: trimmed };
  if (/^(tel:)?\+[\d\s()-]{5,24}$/.test(trimmed)) return { kind: "person", number: trimmed.replace(/[^\d+]/g, "") };
  return { kind: "unknown" };
}

export function followCode(text: string, app: App): void {
  const code = readCode(text);
  switch (code.kind) {
    case "account":
      void write(code.account, app);
      break;
    case "invitation":
      app.dialogs.lay(JoinDialog, { invitation: code.uri });
      break;
    case "person":
      void attempt(app, async () => {
        const [found] = await app.session.call("lookUp", [code.number]);
        if (found) await write(found.account, app);
        else app.toasts.show(app.words.people.notHere);
      });
      break;
    case "unknown":
      app.toasts.show(app.words.app.nothingFound);
  }
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
