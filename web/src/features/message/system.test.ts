import { expect, test } from "vitest";
import type { SystemChange } from "../../engine/protocol";
import { en } from "../../languages/en";
import { systemWords } from "./system";

const session = { isOwn: (account: string) => account === "me", nameOf: (account: string) => account };
const format = { list: (names: string[]) => names.join(" + "), clock: (ms: number) => `${ms / 1000} s` };

test.each<[SystemChange, string]>([
  [{ type: "created", by: "me" }, "You created the group"],
  [{ type: "added", by: "Ada", accounts: ["me"] }, "Ada added you"],
  [{ type: "added", by: "Ada", accounts: ["Ben", "me"] }, "Ada added Ben + You"],
  [{ type: "removed", by: "me", accounts: ["Ben"] }, "You removed Ben"],
  [{ type: "affiliated", by: "Ada", account: "Ben", affiliation: "member" }, "Ben is no longer an admin"],
  [{ type: "affiliated", by: "Ada", account: "me", affiliation: "admin" }, "You are now an admin"],
  [{ type: "icon", by: "me" }, "You changed the picture"],
  [{ type: "disappearing", by: "Ada", lifeS: 604_800 }, "Ada set messages to disappear after 7 days"],
  [{ type: "call", by: "Ada", isVideo: false, lengthS: 0 }, "Ada is calling"],
  [{ type: "call", by: "Ada", isVideo: false, lengthS: 0, ending: "timeout" }, "Missed call from Ada"],
  [{ type: "call", by: "me", isVideo: false, lengthS: 0, ending: "decline" }, "Nobody answered your call"],
  [{ type: "call", by: "Ada", isVideo: true, lengthS: 65, ending: "success" }, "Call, 65 s"],
  [{ type: "disappearing", by: "Ada", lifeS: null }, "Ada turned off disappearing messages"],
])("%o", (change, words) => expect(systemWords(change, session, en, format)).toBe(words));
