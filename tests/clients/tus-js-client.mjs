// Uploads a file by tus-js-client in pieces, aborts in the middle, and resumes.
// Usage: node tus-js-client.mjs URL TOKEN FILE
import { createReadStream, statSync } from "node:fs";
import { basename } from "node:path";
import * as tus from "tus-js-client";

const [endpoint, token, path] = process.argv.slice(2);

function upload(uploadUrl, stopAfterBytes) {
  return new Promise((resolve, reject) => {
    const started = new tus.Upload(createReadStream(path), {
      endpoint,
      uploadUrl,
      uploadSize: statSync(path).size,
      chunkSize: 1_000_000,
      headers: { Authorization: `Bearer ${token}` },
      metadata: { filename: basename(path), filetype: "video/mp4" },
      onError: reject,
      onSuccess: () => resolve({ url: started.url, finished: true }),
      onChunkComplete: (_size, accepted) => {
        if (stopAfterBytes && accepted >= stopAfterBytes) {
          started.abort().then(() => resolve({ url: started.url, finished: false }), reject);
        }
      },
    });
    started.start();
  });
}

const first = await upload(undefined, 2_000_000);
if (first.finished) throw new Error("it was not cut");
const second = await upload(first.url, undefined);
if (!second.finished || second.url !== first.url) throw new Error("it was not resumed");
