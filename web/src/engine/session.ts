// What a session consists of: all parts, made by their makers.

import { Attention } from "./attention/attention";
import type { AccountApi } from "./account/api";
import { Calls } from "./calls/calls";
import { contentParts, type ContentParts } from "./chats/join";
import { Links } from "./links/links";
import { FileMedia } from "./media/media";
import { slots } from "./media/open-upload";
import type { UploadPlace } from "./media/upload";
import type { AccountKey } from "./mls";
import type { Context, Sealed } from "./parts";
import type { AccountId, EngineState, HistoryProgress } from "./protocol";
import { Push } from "./push/push";
import { SealedRooms } from "./sealed/sealed-rooms";
import { storageUse } from "./store/use";

export interface Parts extends ContentParts {
  sealed: Sealed;
  push: Push;
  calls: Calls;
}

/** @param context is whole once the parts are made. */
export async function makeParts(
  context: Context, uploads: UploadPlace, api: AccountApi, show: (change: Partial<EngineState>) => void,
): Promise<Parts> {
  const media = new FileMedia(context.store, uploads, slots(context.xmpp, context.self));
  const made: { sealed?: SealedRooms; calls?: Calls } = {};
  const keys = {
    accountKey: async () => made.sealed?.accountKey(),
    adopt: async (key: AccountKey) => {
      await made.sealed?.adopt(key);
      show({ unvouched: made.sealed?.isVouched() === false });
    },
  };
  const history = { uploads, show: (history: HistoryProgress | null) => show({ history }) };
  const files = { media, history, backup: { api, uploads, keys } };
  const [content, sealed] = await Promise.all([contentParts(context, files, (chat) => made.calls?.logged(chat)), SealedRooms.load(context)]);
  made.sealed = sealed;
  const calls = new Calls(context, { keys: (chat) => sealed.callKeys(chat), introduce: (chat) => content.introduce(chat), show });
  made.calls = calls;
  sealed.onEpoch = (chat) => void calls.epochChanged(chat);
  const safety = {
    commands: {
      safetyNumber: (account: AccountId) => sealed.safetyNumber(account),
      beginKeysAnew: async () => {
        await sealed.beginAnew();
        show({ unvouched: false });
      },
    },
  };
  const use = { commands: { storageUse: () => storageUse(context.store) } };
  const push = new Push(context);
  const attention = new Attention(context.xmpp);
  const close = () => {
    content.close();
    sealed.close();
  };
  return { ...content, close, all: [...content.all, safety, use, new Links(api), push, attention, { commands: calls.commands, online: (isResumed: boolean) => calls.online(isResumed) }], sealed, push, calls };
}
