// The words of notifications, for the service worker.
import type { Dictionary } from "../../languages/en";
import type { NoticeWords } from "../../service-worker/messages";

export function noticeWords(words: Dictionary, language: string): NoticeWords {
  const { photo, film, gif, sticker, voice, document, poll, location, contact } = words.content;
  return {
    language,
    app: words.app.name,
    newMessage: words.notices.newMessage,
    newMessages: words.notices.newMessages("{count}"),
    reacted: words.notices.reacted("{emoji}", "{text}"),
    reply: words.message.reply,
    read: words.chats.markRead,
    mute: words.notices.mute,
    nameless: words.people.nameless,
    kinds: { photo, film, gif, sticker, voice, document, poll, location, contact },
  };
}
