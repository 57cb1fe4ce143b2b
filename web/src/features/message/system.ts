// What happened to a conversation, as a sentence.
import type { Session } from "../../app/session.svelte";
import type { SystemChange } from "../../engine/protocol";
import type { Dictionary } from "../../languages/en";
import type { Format } from "../../languages/format";
import { lifeWords } from "../conversation/disappearing";

export function systemWords(change: SystemChange, session: Pick<Session, "nameOf" | "isOwn">, words: Dictionary, format: Pick<Format, "list" | "clock">): string {
  const name = (account: string) => (session.isOwn(account) ? words.app.you : session.nameOf(account));
  const isOwn = "by" in change && session.isOwn(change.by);
  const of = words.system;
  switch (change.type) {
    case "created":
      return isOwn ? of.createdByYou : of.created(name(change.by));
    case "left":
      return isOwn ? of.leftYou : of.left(name(change.by));
    case "ended":
      return of.ended;
    case "joined-by-link":
      return of.joinedByLink(name(change.by));
    case "added":
    case "removed": {
      const isOnlyOwn = change.accounts.length === 1 && session.isOwn(change.accounts[0]!);
      if (isOnlyOwn && !isOwn) return change.type === "added" ? of.addedYou(name(change.by)) : of.removedYou(name(change.by));
      const names = format.list(change.accounts.map(name));
      if (change.type === "added") return isOwn ? of.addedByYou(names) : of.added(name(change.by), names);
      return isOwn ? of.removedByYou(names) : of.removed(name(change.by), names);
    }
    case "affiliated":
      return session.isOwn(change.account) ? of.affiliatedYou[change.affiliation] : of.affiliated[change.affiliation](name(change.account));
    case "named":
      return isOwn ? of.namedByYou(change.name) : of.named(name(change.by), change.name);
    case "described":
    case "icon":
    case "permissions":
      return isOwn ? of[`${change.type}ByYou`] : of[change.type](name(change.by));
    case "disappearing": {
      if (change.lifeS === null) return isOwn ? of.disappearingOffByYou : of.disappearingOff(name(change.by));
      const life = lifeWords(change.lifeS, words);
      return isOwn ? of.disappearingByYou(life) : of.disappearing(name(change.by), life);
    }
    case "call": {
      if (change.ending === undefined) return isOwn ? words.call.youCalled : words.call.from(name(change.by));
      if (change.ending === "success") return words.call.lasted(format.clock(change.lengthS * 1000));
      return isOwn ? words.call.unanswered : words.call.missed(name(change.by));
    }
    case "key-changed":
      return words.contact.keyChanged(name(change.account));
  }
}
