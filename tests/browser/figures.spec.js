// What the web app costs, in figures: `FIGURES=1 npx playwright test figures.spec.js`, on a machine that does
// nothing else. Nothing is asserted. MESSAGES says how many the long chat has; FIGURES=film,chat measures a part alone.
import { execFileSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { appendFileSync } from "node:fs";
import { loadavg } from "node:os";
import { resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "./server.js";
import { Person } from "./people.js";

const MESSAGES = Number(process.env.MESSAGES ?? 100_000);
const FILM_BYTES = 50 << 20;
const rows = [];
const row = (name, value, unit, target = "–") => rows.push(`| ${name} | ${unit} | ${typeof value === "number" ? Math.round(value * 10) / 10 : value} | ${target} |`);

test.skip(!process.env.FIGURES, "measured by hand");
const isWanted = (part) => process.env.FIGURES === "1" || process.env.FIGURES.split(",").includes(part);

test("figures", async ({ browser, server }) => {
  test.setTimeout(1_800_000);
  if (isWanted("load")) await firstLoad(browser, server);
  const ada = await Person.register(browser, server, "Ada Sandpiper", { serviceWorkers: "block" });
  const bea = await Person.register(browser, server, "Bea Curlew");
  await ada.writeTo(bea);
  await ada.send("hello");
  await bea.open("Ada Sandpiper");
  await bea.sees("hello");
  if (isWanted("send")) await sending(ada, bea);
  if (isWanted("film")) await film(ada, bea, server);
  if (isWanted("chat")) {
    await fill(ada, server);
    await longChat(ada);
    await heap(ada);
  }
  console.log([`load average ${loadavg()[0].toFixed(2)}`, "", "| | unit | | target |", "|---|---|---:|---|", ...rows].join("\n"));
  await ada.leave();
  await bea.leave();
});

/// What is fetched until one can begin to write one's number.
async function firstLoad(browser, server) {
  const context = await browser.newContext({ locale: "en" });
  const page = await context.newPage();
  const fetched = new Map();
  context.on("response", async (response) => {
    if (/\.(js|css)$/.test(new URL(response.url()).pathname)) fetched.set(response.url(), await response.body().catch(() => Buffer.alloc(0)));
  });
  await page.goto(server.appUrl);
  await expect(page.getByLabel("Phone number")).toBeVisible();
  await page.waitForLoadState("networkidle");
  const kib = (name) => [...fetched].filter(([url]) => name.test(url)).reduce((sum, [, body]) => sum + gzipSync(body, { level: 9 }).length, 0) / 1024;
  row("first load: JavaScript of the page, gzip", kib(/^(?!.*(worker)).*\.js$/), "KiB");
  row("first load: JavaScript of the engine's and the service worker, gzip", kib(/worker.*\.js$/), "KiB");
  await context.close();
}

async function sending(ada, bea) {
  await bea.page.evaluate(() => {
    globalThis.seen = {};
    const look = () => {
      // Nothing that would have the page laid out before its time.
      for (const { textContent } of document.querySelectorAll('[role="log"] [dir="auto"]')) seen[textContent] ??= performance.timeOrigin + performance.now();
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  const times = [];
  for (let number = 0; number < 60; number++) {
    const text = `ping ${number}`;
    await ada.composer().fill(text);
    const sentAt = await ada.page.getByRole("button", { name: "Send", exact: true }).evaluate((button) => {
      button.click();
      return performance.timeOrigin + performance.now();
    });
    await bea.page.waitForFunction((text) => globalThis.seen[text], text);
    times.push((await bea.page.evaluate((text) => seen[text], text)) - sentAt);
  }
  times.sort((one, other) => one - other);
  row("send to the other's bubble, 50 %", times[30], "ms");
  row("send to the other's bubble, 95 %", times[57], "ms");
}

async function film(ada, bea, server) {
  const path = server.ffmpeg("film.mp4", "-f", "lavfi", "-i", "testsrc=size=640x360:rate=25:duration=2", "-pix_fmt", "yuv420p");
  // ISO/IEC 14496-12 8.1.2: a box that players skip.
  const box = randomFillSync(Buffer.alloc(FILM_BYTES));
  box.writeUInt32BE(box.length);
  box.write("free", 4);
  appendFileSync(path, box);
  await tasks(ada.page);
  const times = [];
  for (const caption of ["fifty megabytes", "once more", "and again"]) {
    times.push(await sendFilm(ada, bea, path, caption));
  }
  times.sort((one, other) => one - other);
  row("a film of 50 MiB, from Send to the other's bubble: median of 3", times[1], "ms");
  row("… encrypted, hashed, kept, uploaded and told, per second", (FILM_BYTES / 1e6 / times[1]) * 1000, "MB/s", "≥ 80");
  await longest(ada.page, "… longest task of the page meanwhile");
}

async function sendFilm(ada, bea, path, caption) {
  await ada.chooseFiles([path]);
  await ada.page.getByLabel("Caption").fill(caption);
  const seen = bea.page.evaluate((caption) => new Promise((done) => {
    const look = () => document.querySelector('[role="log"]').textContent.includes(caption) && done(performance.timeOrigin + performance.now());
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
  }), caption);
  const sentAt = await ada.page.getByRole("button", { name: "Send 1 file" }).evaluate((button) => {
    globalThis.long.length = 0;
    button.click();
    return performance.timeOrigin + performance.now();
  });
  return (await seen) - sentAt;
}

/// Gives a chat many messages, and some more chats, while the app is closed.
async function fill(ada, server) {
  const web = resolve(import.meta.dirname, "../../web");
  const out = `${server.folder}/fill`;
  execFileSync("npx", ["vite", "build", "--config", "bench/fill.config.js", "--outDir", out], { cwd: web });
  const chat = decodeURIComponent(/#\/chat\/([^/]+)/.exec(ada.page.url())?.[1] ?? "");
  ada.place = ada.page.url();
  await ada.page.close();
  await ada.context.route("**/fill.html", (route) => route.fulfill({ contentType: "text/html", body: '<script src="/fill.js"></script>' }));
  await ada.context.route("**/fill.js", (route) => route.fulfill({ path: `${out}/fill.js`, contentType: "text/javascript" }));
  ada.page = await ada.context.newPage();
  await ada.page.goto(`${server.appUrl}/fill.html`);
  const from = performance.now();
  await ada.page.evaluate(([chat, count]) => globalThis.fill(chat, count, 50, 40), [chat, MESSAGES]);
  row(`taking in ${MESSAGES + 2_000} messages`, (MESSAGES + 2_000) / ((performance.now() - from) / 1000), "per second");
}

async function longChat({ page, place }) {
  const appUrl = new URL(place).origin;
  // Cold: as soon as the list is there.
  await page.goto(`${appUrl}/#/`);
  const link = page.locator(`a[href="${new URL(place).hash}"]`);
  await expect(link).toBeVisible();
  row("first search after the start, without the 180 ms for which typing rests", await search(page, "word77"), "ms", "≤ 150");
  row("later searches", await search(page, "tern word5"), "ms");
  row("later searches, nothing found", await search(page, "nothing at all"), "ms");
  await page.getByRole("searchbox").first().fill("");

  await page.goto("about:blank");
  await page.goto(`${appUrl}/#/`);
  await expect(link).toBeVisible();
  await tasks(page);
  row(`opening a chat of ${MESSAGES} messages, from the click`, await link.evaluate(async (link) => {
    const from = performance.now();
    link.click();
    while (!/hello|ping 59|megabytes/.test(document.querySelector('[role="log"]')?.innerText ?? "")) await new Promise(requestAnimationFrame);
    return performance.now() - from;
  }), "ms");
  await page.evaluate(() => (globalThis.long.length = 0));
  await page.mouse.move(900, 400);
  for (let turn = 0; turn < 150; turn++) {
    await page.mouse.wheel(0, -1_200);
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
  await longest(page, "scrolling up by 180,000 pixels: longest task");
}

async function heap({ page, context }) {
  await page.evaluate(() => (location.hash = "#/"));
  await page.waitForTimeout(3_000);
  const devtools = await context.newCDPSession(page);
  await devtools.send("HeapProfiler.collectGarbage");
  const { usedSize } = await devtools.send("Runtime.getHeapUsage");
  const ofWorkers = await workerHeaps(devtools);
  row("JavaScript heap with 51 chats: page", usedSize / 1e6, "MB");
  row("JavaScript heap with 51 chats: page and engine", (usedSize + ofWorkers) / 1e6, "MB", "≤ 120");
}

/// Of the page's workers, each asked through its own door.
async function workerHeaps(devtools) {
  const workers = [];
  devtools.on("Target.attachedToTarget", ({ sessionId, targetInfo }) => targetInfo.type === "worker" && workers.push(sessionId));
  await devtools.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  let sum = 0;
  for (const sessionId of workers) {
    for (const [id, method] of [[1, "HeapProfiler.collectGarbage"], [2, "Runtime.getHeapUsage"]]) {
      const answered = new Promise((done) => devtools.on("Target.receivedMessageFromTarget", (event) => {
        const message = JSON.parse(event.message);
        if (event.sessionId === sessionId && message.id === id) done(message.result);
      }));
      await devtools.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify({ id, method }) });
      sum += (await answered)?.usedSize ?? 0;
    }
  }
  return sum;
}

/// How long a search takes, from when typing has rested.
function search(page, words) {
  return page.getByRole("searchbox").first().evaluate(async (input, words) => {
    const before = document.querySelectorAll("mark").length;
    void before;
    input.focus();
    input.value = words;
    input.dispatchEvent(new Event("input", { bubbles: true }));
    const from = performance.now();
    await new Promise((done) => setTimeout(done, 180));
    const last = () => [...document.querySelectorAll("mark")].map((mark) => mark.textContent.toLowerCase());
    const wanted = words.split(" ")[0];
    while (performance.now() - from < 10_000 && !(words.startsWith("nothing") ? last().length === 0 : last().includes(wanted))) await new Promise(requestAnimationFrame);
    return performance.now() - from - 180;
  }, words);
}

/// Notes the tasks of more than 50 ms from now on.
function tasks(page) {
  return page.evaluate(() => {
    globalThis.long = [];
    new PerformanceObserver((list) => long.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: "longtask" });
  });
}

async function longest(page, name) {
  const all = await page.evaluate(() => globalThis.long);
  row(name, all.length ? Math.max(...all) : "none of 50", "ms", "≤ 50");
  if (all.length) row("… tasks of more than 50 ms", all.length, "tasks", "0");
}
