// After members were added: who could not be, and the invitations for those who come by a link alone.
import type { App } from "../../app/context";
import type { Invitation, Member } from "../../engine/protocol";
import { joinLink } from "../people/code";
import { share } from "../people/invite";

export function tellAdded({ absent, invitations }: { absent: Member[]; invitations: Invitation[] }, app: App): void {
  const { words, session, format, toasts } = app;
  if (absent.length) toasts.show(words.group.absent(format.list(absent.map(({ account }) => session.nameOf(account)))), "bad");
  const nameOf = ({ account, number }: Invitation) => (account === undefined ? (number ?? "") : session.nameOf(account));
  const tell = (invited: Invitation[], says: (names: string) => string) => {
    if (!invited.length) return;
    const text = invited.map((invitation) => `${nameOf(invitation)} ${joinLink(location.origin, invitation.uri)}`.trim()).join("\n");
    toasts.show(says(format.list(invited.map(nameOf))), "plain", { label: words.app.share, run: () => void share(text, app) });
  };
  tell(invitations.filter(({ account }) => account === undefined), words.group.invited);
  tell(invitations.filter(({ account }) => account !== undefined), words.group.reserved);
}
