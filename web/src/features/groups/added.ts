// After members were added: who could not be, and the invitations for numbers that are not here yet.
import type { App } from "../../app/context";
import type { Invitation, Member } from "../../engine/protocol";
import { joinLink } from "../people/code";
import { share } from "../people/invite";

export function tellAdded({ absent, invitations }: { absent: Member[]; invitations: Invitation[] }, app: App): void {
  const { words, session, format, toasts } = app;
  if (absent.length) toasts.show(words.group.absent(format.list(absent.map(({ account }) => session.nameOf(account)))), "bad");
  if (!invitations.length) return;
  const text = invitations.map(({ number, uri }) => `${number ?? ""} ${joinLink(location.origin, uri)}`.trim()).join("\n");
  toasts.show(words.group.invited(format.list(invitations.map(({ number }) => number ?? ""))), "plain", { label: words.app.share, run: () => void share(text, app) });
}
