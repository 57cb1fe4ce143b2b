// Measures chats of many messages in Chromium: `node bench/chats.js [MESSAGES]`, in web/.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "vite";

const messages = Number(process.argv[2] ?? 100_000);
const profile = mkdtempSync(join(tmpdir(), "whimbrel-bench-"));
const figures = Promise.withResolvers?.() ?? deferred();
const server = await createServer({
  configFile: false,
  root: import.meta.dirname ?? ".",
  server: { port: 0, host: "127.0.0.1" },
  logLevel: "error",
  plugins: [{
    name: "figures",
    configureServer({ middlewares }) {
      middlewares.use("/figures", (request, response) => {
        let text = "";
        request.on("data", (chunk) => (text += chunk));
        request.on("end", () => {
          response.end();
          figures.resolve(JSON.parse(text));
        });
      });
    },
  }],
});
await server.listen();
const url = `http://127.0.0.1:${server.httpServer.address().port}/chats.html?messages=${messages}`;
const browser = spawn(process.env.CHROMIUM ?? "chromium", ["--headless=new", "--no-sandbox", `--user-data-dir=${profile}`, url], { stdio: "ignore" });
for (const [name, value] of Object.entries(await figures.promise)) {
  console.log(name.padEnd(20), typeof value === "number" ? Math.round(value * 10) / 10 : value);
}
const ended = new Promise((resolve) => browser.once("exit", resolve));
browser.kill();
await ended;
await server.close();
rmSync(profile, { recursive: true, force: true, maxRetries: 5 });

function deferred() {
  const made = {};
  made.promise = new Promise((resolve) => (made.resolve = resolve));
  return made;
}
