// tus-js-client takes Blobs in browsers; in Node.js it sends bytes alone.

import { DefaultHttpStack } from "tus-js-client";

const { createRequest } = DefaultHttpStack.prototype;
DefaultHttpStack.prototype.createRequest = function (method, url) {
  const request = createRequest.call(this, method, url);
  const send = request.send.bind(request);
  request.send = async (body: unknown) => send(body instanceof Blob ? new Uint8Array(await body.arrayBuffer()) : body);
  return request;
};
