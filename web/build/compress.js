// Lays a .br and a .gz beside each file of a folder that gets smaller by it.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

/** Of a file's bytes, what a coding must save to be worth it. */
const SAVED_MIN = 0.05;

const folder = process.argv[2];
for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const path = join(entry.parentPath, entry.name);
  const bytes = readFileSync(path);
  const params = { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  lay(path + ".br", brotliCompressSync(bytes, { params }), bytes);
  lay(path + ".gz", gzipSync(bytes, { level: 9 }), bytes);
}

function lay(path, coded, bytes) {
  if (coded.length <= bytes.length * (1 - SAVED_MIN)) writeFileSync(path, coded);
}
