import { expect, test } from "vitest";
import type { Order } from "../protocol";
import { newMessageId, type Annotation } from "./envelope";
import { random, shuffled } from "./random.test-support";
import { annotate, hide, later, moderate, newRow, place, star, type Base, type Row } from "./row";
import { contentOf, viewOf } from "./view";

const ADA = "k7qm2xw4p9ab";
const BOB = "p3c8tz0n6vfd";
const CHAT = "x1y2z3a4b5c6";
const id = newMessageId(ADA);
const AT_MS = 1_790_000_000_000;

type Step = (row: Row) => Row;

test("whatever the order of a message's parts, and however often each comes, the end is the same", () => {
  for (let seed = 1; seed <= 2_000; seed++) {
    const next = random(seed);
    const steps = Array.from({ length: 1 + next(12) }, (_, at) => step(next, order(at)));
    const straight = steps.reduce((row, one) => one(row), newRow(CHAT, id));
    const repeated = shuffled([...steps, ...steps.slice(0, next(steps.length + 1))], next);
    const crooked = repeated.reduce((row, one) => one(row), newRow(CHAT, id));
    expect(crooked, `seed ${seed}`).toEqual(straight);
  }
});

test("what waits counts until it has its place in the log, and is then as late as that", () => {
  const mine = later<string>(undefined, { order: "~0001", id: "mine" }, "😀");
  expect(later(mine, { order: order(5), id: "other" }, "👎").value).toBe("😀");
  const back = later(mine, { order: order(3), id: "mine" }, "😀");
  expect(later(back, { order: order(5), id: "other" }, "👎").value).toBe("👎");
});

test("only its author edits a message or takes it back", () => {
  const said = place(newRow(CHAT, id), order(1), AT_MS, message("Hello"));
  const edit: Annotation = { kind: "edit", of: id, text: "Hallo", mentions: [] };
  const stamp = { order: order(2), id: "x" };
  expect(annotate(said, BOB, stamp, edit)).toEqual(said);
  expect(annotate(said, BOB, stamp, { kind: "retraction", of: id })).toEqual(said);
  expect(contentOf(annotate(said, ADA, stamp, edit))).toEqual({ kind: "text", text: "Hallo", mentions: [] });
});

test("what was taken back is not kept, and its proof says by whom", () => {
  const said = place(newRow(CHAT, id), order(1), AT_MS, message("secret"));
  const proof = annotate(said, ADA, { order: order(2), id: "x" }, { kind: "retraction", of: id });
  expect(JSON.stringify(proof)).not.toContain("secret");
  const byWhom = (row: Row) => contentOf(row);
  expect(byWhom(proof)).toEqual({ kind: "deleted", by: "author" });
  expect(byWhom(moderate(said))).toEqual({ kind: "deleted", by: "admin" });
  expect(byWhom(place(said, order(1), AT_MS, { type: "tombstone" }))).toEqual({ kind: "deleted", by: "operator" });
});

test("what happened to a conversation is not taken back by who did it", () => {
  const change = { type: "removed", by: ADA, accounts: [BOB] } as const;
  const line: Base = { type: "system", change: { ...change, accounts: [...change.accounts] } };
  const retract = (row: Row) => annotate(row, ADA, { order: order(2), id: "x" }, { kind: "retraction", of: id });
  for (const row of [retract(place(newRow(CHAT, id), order(1), AT_MS, line)), place(retract(newRow(CHAT, id)), order(1), AT_MS, line)]) {
    expect(contentOf(row)).toEqual({ kind: "system", change });
  }
});

test("votes for choices that there are not are not counted", () => {
  const poll: Base = { type: "message", forwarded: false, body: { kind: "poll", question: "?", choices: ["a", "b"], several: false } };
  let row = place(newRow(CHAT, id), order(1), AT_MS, poll);
  row = annotate(row, ADA, { order: order(2), id: "x" }, { kind: "vote", of: id, choices: [1] });
  row = annotate(row, BOB, { order: order(3), id: "y" }, { kind: "vote", of: id, choices: [7] });
  expect(contentOf(row)).toMatchObject({ votes: [{ account: ADA, choices: [1] }] });
});

test("a quote shows what its author wrote, not what is said of it", () => {
  const quoted = place(newRow(CHAT, newMessageId(BOB)), order(1), AT_MS, message("I said yes"));
  const reply = { id: quoted.id, preview: { kind: "text", text: "I said no" } } as const;
  const row = place(newRow(CHAT, id), order(2), AT_MS, { ...message("You said no"), reply });
  const view = (known: Row | undefined) => viewOf(row, { own: ADA, statusOf: () => "sent", quoted: () => known });
  expect(view(quoted).reply).toEqual({ id: quoted.id, author: BOB, preview: { kind: "text", text: "I said yes" } });
  expect(view(undefined).reply?.preview.text).toBe("I said no");
});

function step(next: (below: number) => number, at: Order): Step {
  const author = next(2) ? ADA : BOB;
  const stamp = { order: at, id: `${at}` };
  const drawn = next(2) === 0;
  const said = (annotation: Annotation): Step => (row) => annotate(row, author, stamp, annotation);
  switch (next(10)) {
    case 0:
    case 1:
      return (row) => place(row, at, AT_MS, message(`said at ${at}`), drawn ? 3600 : undefined);
    case 2:
      return said({ kind: "edit", of: id, text: `edited at ${at}`, mentions: [] });
    case 3:
    case 4:
      return said({ kind: "reaction", of: id, emoji: next(3) ? "👍" : null });
    case 5:
      return said({ kind: "vote", of: id, choices: [next(2)] });
    case 6:
      return (row) => star(row, stamp, drawn);
    case 7:
      return next(3) ? said({ kind: "retraction", of: id }) : moderate;
    case 8:
      return next(4) ? (row) => place(row, at, AT_MS, { type: "unreadable" }) : hide;
    default:
      return next(4) ? said({ kind: "profile" }) : (row) => place(row, at, AT_MS, { type: "tombstone" });
  }
}

function message(text: string): Base & { type: "message" } {
  return { type: "message", forwarded: false, body: { kind: "text", text, mentions: [] } };
}

function order(at: number): Order {
  return `1a0c4506c00000${at.toString(16).padStart(2, "0")}`;
}
