// What the web app needs of the server is open to its page, under its own policy: the account API,
// a token for uploads, the upload, the object, the WebSocket.
import { expect, test } from "./server.js";

const JSON_TYPE = { "Content-Type": "application/json" };

/// Posts to the account API from the page, and gives the answer's content.
function post(page, path, content, headers = {}) {
  return page.evaluate(
    async ([path, content, headers]) => {
      const answer = await fetch(`/api/v1/${path}`, { method: "POST", headers, body: JSON.stringify(content) });
      if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
      return answer.json();
    },
    [path, content, { ...JSON_TYPE, ...headers }],
  );
}

test("a page registers, uploads within a token, fetches a part and opens a stream", async ({ page, server }) => {
  const policy = (await page.goto(server.appUrl)).headers()["content-security-policy"];
  expect(policy).toContain("connect-src 'self'");
  const number = server.number();
  await post(page, "codes", { number });
  await expect.poll(() => server.codes.get(number)).toBeTruthy();
  const device = { id: crypto.randomUUID(), name: "Chromium" };
  const { bearer } = await post(page, "registrations", { number, code: server.codes.get(number), device });
  const wish = { bytes: 3_000_000, expires: Math.floor(Date.now() / 1000) + 600 };
  const { token } = await post(page, "upload-tokens", wish, { Authorization: `Bearer ${bearer}` });

  const uploaded = await page.evaluate(async (token) => {
    const film = new Uint8Array(3_000_000).map((_, at) => at % 251);
    const tus = { "Tus-Resumable": "1.0.0" };
    const made = await fetch("/upload", {
      method: "POST",
      headers: { ...tus, "Authorization": `Bearer ${token}`, "Upload-Length": film.length },
    });
    const place = made.headers.get("Location");
    let last;
    for (let at = 0; at < film.length; at += 1_000_000) {
      last = await fetch(place, {
        method: "PATCH",
        headers: { ...tus, "Upload-Offset": at, "Content-Type": "application/offset+octet-stream" },
        body: film.slice(at, at + 1_000_000),
      });
    }
    const media = last.headers.get("Content-Location");
    const part = await fetch(media, { headers: { Range: "bytes=2000000-2000009" } });
    return { status: part.status, bytes: [...new Uint8Array(await part.arrayBuffer())], age: part.headers.get("Cache-Control") };
  }, token);
  expect(uploaded.status).toBe(206);
  expect(uploaded.bytes).toEqual(Array.from({ length: 10 }, (_, at) => (2_000_000 + at) % 251));
  // It is to go with the message that it belongs to.
  expect(uploaded.age).toMatch(/max-age=(5\d\d|600)$/);

  const stream = await page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(location.origin.replace("http", "ws") + "/xmpp-websocket", "xmpp");
        socket.onopen = () =>
          socket.send("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>");
        socket.onmessage = ({ data }) => resolve(data);
        socket.onerror = () => reject(new Error("no stream"));
      }),
  );
  expect(stream).toContain("<open");
});
