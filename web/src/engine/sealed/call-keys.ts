// What a group gives the frames of its calls (RFC 9605, 5.2; docs/protocol/calls.md, "Encryption").

import { exporter, leaves, type GroupState } from "../mls";
import type { CallKeys } from "../protocol";

export async function callKeysOf(state: GroupState): Promise<CallKeys> {
  const { own, all } = leaves(state);
  const [baseKey, code] = await Promise.all([
    exporter(state, "SFrame 1.0 Base Key", new Uint8Array(), BASE_KEY_BYTES),
    exporter(state, "Whimbrel call code", new Uint8Array(), CODE_LENGTH),
  ]);
  const accounts = Object.fromEntries(all.map(([leaf, { account }]) => [leaf, account]));
  return { epoch: state.epoch, baseKey: new Uint8Array(baseKey), leaf: own, accounts, code: [...code].map((byte) => CODE[byte % CODE.length] ?? "") };
}

const BASE_KEY_BYTES = 32;
const CODE_LENGTH = 5;
/** 64 that are not taken for one another, and have a name in each language. */
const CODE = [
  ..."🐶🐱🦊🐻🐼🐨🦁🐮🐷🐸🐵🐔🐧🦆🦉🐴🐝🦋🐌🐢🐙🦀🐬🐘",
  ..."🌵🌲🍁🍄🌻🌙⭐🔥🌈🌊🍎🍐🍋🍌🍉🍇🍓🍒🥕🌽🍞🧀🥚🍰",
  ..."⚽🎸🎺🥁🚗🚲🚀⛵🏠🔑🔔🎈🎁📷💡🪁",
];
