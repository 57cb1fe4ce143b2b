import { expect, test } from "vitest";
import type { Message } from "../../engine/protocol";
import { merge, timeline } from "./timeline";

const NOON = new Date(2026, 10, 22, 12, 0).getTime();

/** "A+0 B+1 s+2": author and minutes; a small s is a system message; the first letter O is own. */
function messages(script: string): Message[] {
  return script.split(" ").map((part, i) => {
    const [author = "", minutes = ""] = part.split("+");
    return {
      id: `${i}`, chat: "c", order: String(i).padStart(4, "0"), author, isOwn: author === "O", at: NOON + Number(minutes) * 60_000, status: "sent",
      content: author === "s" ? { kind: "system", change: { type: "ended", by: "x" } } : { kind: "text", text: part, mentions: [] },
      forwarded: false, reactions: [], starred: false,
    };
  });
}

/** "[" opens a run, "]" ends it, "|" a new day, "!" the unread. */
function check(script: string, expected: string, unread?: { from: string; count: number }) {
  const drawn = timeline(messages(script), unread).map((row) => `${row.day ? "|" : ""}${row.unread ? "!" : ""}${row.first ? "[" : ""}${row.message.author}${row.last ? "]" : ""}`);
  expect(drawn.join(" ")).toBe(expected);
}

test("a run is of one author", () => check("A+0 A+1 B+2", "|[A A] [B]"));
test("a run ends by a pause", () => check("A+0 A+5", "|[A] [A]"));
test("a run ends at midnight", () => check("A+719 A+721", "|[A] |[A]"));
test("what happens to the group stands alone", () => check("s+0 s+0", "|[s] [s]"));
test("the unread begin a run", () => check("A+0 A+1 A+2", "|[A] ![A A]", { from: "0001", count: 2 }));

test("a message that gets its place from the server moves there", () => {
  const [a, b] = messages("A+0 O+1") as [Message, Message];
  const waiting = { ...b, order: "~1" };
  const other = { ...a, id: "x", order: "0002" };
  expect(merge([a, waiting], [other]).map(({ id }) => id)).toEqual(["0", "x", "1"]);
  expect(merge([a, other, waiting], [b], ["0"]).map(({ id }) => id)).toEqual(["1", "x"]);
});
