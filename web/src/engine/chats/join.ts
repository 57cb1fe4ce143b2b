// What the page asks for beside the account itself: its parts, made and joined.

import { Contacts } from "../contacts/contacts";
import { Backup, type BackupSurroundings } from "../backup/backup";
import type { Context, Contents, Part } from "../parts";
import type { ChatId, EngineState } from "../protocol";
import type { CommandName } from "../rpc";
import { Groups } from "../groups/groups";
import type { Media } from "../media/media";
import { History, type HistorySurroundings } from "../history/history";
import { SettingsPart } from "../settings/part";
import { Chats } from "./chats";
import { Stickers } from "./stickers";

export interface ContentParts {
  contents: Contents;
  all: (Pick<Part<CommandName>, "receive" | "online"> & { commands: object })[];
  /** What the account says of itself. */
  profile(): Partial<Pick<NonNullable<EngineState["account"]>, "name" | "avatar">>;
  /** What a further device gets of the others. */
  history: Pick<History, "online"> | undefined;
  /** The account is not in these rooms any more. */
  notIn(chats: ChatId[]): Promise<void>;
  /** Says in a chat who the user is, where it was not said: for what is heard before any message. */
  introduce(chat: ChatId): Promise<void>;
  /** No timer runs any more. */
  close(): void;
}

/** What goes through the media store, where there is one. */
export interface Files {
  media: Media;
  history: Pick<HistorySurroundings, "uploads" | "show">;
  backup: BackupSurroundings;
}

/** @param files where there is nothing, files cannot be sent, and no history
 *  @param called hears of chats in whose log a call began or ended */
export async function contentParts(context: Context, files?: Files, called: (chat: ChatId) => void = () => undefined): Promise<ContentParts> {
  const made: { groups?: Groups; contacts?: Contacts; history?: History } = {};
  const media = files?.media;
  const chats = await Chats.open(context, {
    ...(media && { media }),
    newcomer: (chat) => made.groups?.newcomer(chat),
    kindUnknown: (chat) => void made.groups?.learnKind(chat).catch(() => undefined),
    takesSealed: async (account) => made.contacts?.takesSealed(account),
    history: () => made.history?.heard(),
    called,
  });
  const { desk, ownLog } = chats;
  const contacts = new Contacts(desk, ownLog);
  made.contacts = contacts;
  const groups = new Groups(desk, contacts, media);
  made.groups = groups;
  if (files) made.history = new History(desk, { ...files.history, agreed: () => ownLog.drainAll(), came: (came) => groups.renew(came) });
  await made.history?.begin();
  const backup = files && new Backup(desk, files.backup, { agreed: () => ownLog.drainAll(), came: (came) => groups.renew(came) });
  const settings = new SettingsPart(desk, ownLog, contacts.presences, media);
  return {
    contents: chats.contents,
    all: [chats, contacts, groups, settings, new Stickers(desk, ownLog, media), ...(backup ? [backup] : [])],
    profile: () => {
      const { name, avatar } = desk.profile;
      return { name, ...(avatar && { avatar }) };
    },
    history: made.history,
    notIn: (chats) => groups.notIn(chats),
    introduce: async (chat) => {
      if (await desk.owesProfile(await desk.chat(chat))) await desk.say(chat, { kind: "profile" }, {}, async () => undefined);
    },
    close: () => {
      made.history?.close();
      backup?.close();
      chats.close();
      groups.close();
      contacts.presences.close();
    },
  };
}
