// tus-js-client takes Blobs in browsers; in Node.js it sends bytes alone. Here uploads can be cut, too.

import { DefaultHttpStack } from "tus-js-client";

let last = Infinity;
let reached: () => void = () => undefined;

/** From now on nothing is sent of what lies beyond. @returns once a server has all before it */
export function cutUploads(bytes: number): Promise<void> {
  last = bytes;
  return new Promise((resolve) => (reached = resolve));
}

export function mendUploads(): void {
  last = Infinity;
}

const { createRequest } = DefaultHttpStack.prototype;
DefaultHttpStack.prototype.createRequest = function (method, url) {
  const request = createRequest.call(this, method, url);
  const send = request.send.bind(request);
  request.send = async (body: unknown) => {
    if (!(body instanceof Blob)) return send(body);
    const rest = last - Number(request.getHeader("Upload-Offset") ?? 0);
    if (rest > 0) return send(new Uint8Array(await body.slice(0, Math.min(rest, body.size)).arrayBuffer()));
    reached();
    return new Promise(() => undefined);
  };
  return request;
};
