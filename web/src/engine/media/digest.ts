// By the BLAKE3 of what it gets the server names a file.

import type { IHasher } from "hash-wasm";

export async function newBlake3(): Promise<IHasher> {
  const { createBLAKE3 } = await import("hash-wasm");
  return (await createBLAKE3()).init();
}
