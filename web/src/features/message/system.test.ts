import { expect, test } from "vitest";
import type { SystemChange } from "../../engine/protocol";
import { en } from "../../languages/en";
import { systemWords } from "./system";

const session = { isOwn: (account: string) => account === "me", nameOf: (account: string) => account };
const format = { list: (names: string[]) => names.join(" + ") };

test.each<[SystemChange, string]>([
  [{ type: "created", by: "me" }, "You created the group"],
  [{ type: "added", by: "Ada", accounts: ["me"] }, "Ada added you"],
  [{ type: "added", by: "Ada", accounts: ["Ben", "me"] }, "Ada added Ben + You"],
  [{ type: "removed", by: "me", accounts: ["Ben"] }, "You removed Ben"],
  [{ type: "affiliated", by: "Ada", account: "Ben", affiliation: "member" }, "Ben is no longer an admin"],
  [{ type: "affiliated", by: "Ada", account: "me", affiliation: "admin" }, "You are now an admin"],
  [{ type: "icon", by: "me" }, "You changed the picture"],
  [{ type: "disappearing", by: "Ada", lifeS: 604_800 }, "Ada set messages to disappear after 7 days"],
  [{ type: "disappearing", by: "Ada", lifeS: null }, "Ada turned off disappearing messages"],
])("%o", (change, words) => expect(systemWords(change, session, en, format)).toBe(words));
