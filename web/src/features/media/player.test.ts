import { expect, test } from "vitest";
import type { Message } from "../../engine/protocol";
import { voiceAfter } from "./player.svelte";

const file = { digest: "ab", key: new Uint8Array(32), bytes: 1, type: "audio/mp4", name: "" };
const voice = (id: string, author: string) => ({ id, author, content: { kind: "voice", file, durationMs: 1, waveform: [] } }) as unknown as Message;

test("voices of one author follow one another", () => {
  const [one, two, other] = [voice("1", "a"), voice("2", "a"), voice("3", "b")];
  expect(voiceAfter([one, two, other], one)).toBe(two);
  expect(voiceAfter([one, two, other], two)).toBeUndefined();
  expect(voiceAfter([two], one)).toBeUndefined();
});
