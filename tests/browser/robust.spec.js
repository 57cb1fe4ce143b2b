// The web app where things go wrong: tabs that close or sleep, no network, wrong clocks, days away; and what
// of people's words can be seen on the way.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "./server.js";
import { Person } from "./people.js";

test.setTimeout(180_000);

/// More than a page of the log, and more than is taken in at once (engine/conversations): 64.
const AWAY_COUNT = 80;

test("of two tabs one writes; the other goes on when it is closed, and one that slept catches up", async ({ browser, server }) => {
  const [ada, bea] = await pair(browser, server);
  const first = ada.page;
  ada.page = await ada.context.newPage();
  await ada.page.goto(first.url());
  await ada.sees("hello from Ada Sandpiper");
  await ada.send("by the second tab");
  await expect(first.getByRole("log").getByText("by the second tab")).toBeVisible();
  await bea.sees("by the second tab");

  // It closes with a message under way.
  await ada.composer().fill("as the first tab closes");
  await Promise.all([first.close(), ada.page.getByRole("button", { name: "Send", exact: true }).click()]);
  await expect(async () => {
    // Nobody knows whether it had left: then it is said, and what was written is still there.
    if (!(await bea.message("as the first tab closes").isVisible())) await ada.page.getByRole("button", { name: "Send", exact: true }).click({ timeout: 500 });
    await expect(bea.message("as the first tab closes")).toHaveCount(1, { timeout: 2_000 });
  }).toPass();
  await ada.send("by the tab that is left");
  await bea.sees("by the tab that is left");

  const devtools = await ada.context.newCDPSession(ada.page);
  await devtools.send("Page.setWebLifecycleState", { state: "frozen" });
  for (const number of [1, 2, 3]) await bea.send(`while you slept ${number}`);
  await devtools.send("Page.setWebLifecycleState", { state: "active" });
  await ada.sees("while you slept 3");
  expect((await texts(ada)).filter((text) => text.startsWith("while you slept"))).toEqual([1, 2, 3].map((number) => `while you slept ${number}`));
  await leave(ada, bea);
});

test("without network one reads, searches and writes; the rest goes when it is back, once and in order", async ({ browser, server }) => {
  const [ada, bea] = await pair(browser, server);
  await server.kill();
  await ada.context.setOffline(true);
  const written = Array.from({ length: 5 }, (_, number) => `written on the boat ${number}`);
  for (const text of written) await ada.send(text);
  await ada.sees("hello from Bea Curlew");
  await ada.page.getByRole("searchbox").first().fill("hello bea");
  await expect(ada.page.getByRole("mark").or(ada.page.locator("mark")).first()).toBeVisible();
  await ada.page.getByRole("searchbox").first().fill("");
  await server.restart();
  await ada.context.setOffline(false);
  await bea.sees(written.at(-1));
  expect((await texts(bea)).filter((text) => written.includes(text))).toEqual(written);

  // Cut in the midst of sending, again and again.
  const cut = Array.from({ length: 12 }, (_, number) => `through the storm ${number}`);
  const sending = (async () => {
    for (const text of cut) await ada.send(text);
  })();
  await server.kill();
  await server.restart();
  await sending;
  await server.kill();
  await server.restart();
  await bea.sees(cut.at(-1));
  await expect(ada.page.getByRole("log").getByText("through the storm")).toHaveCount(cut.length);
  expect((await texts(bea)).filter((text) => cut.includes(text))).toEqual(cut);
  await leave(ada, bea);
});

test("with clocks a day wrong, one behind and one ahead, messages keep their order, their ends and their keys", async ({ browser, server }) => {
  const [ada, bea] = await pair(browser, server, [26, -26]);
  await bea.page.getByRole("button", { name: "Chat options" }).click();
  await bea.page.getByRole("menuitem", { name: "Disappearing messages" }).click();
  await bea.page.getByRole("button", { name: "24 hours" }).click();
  await expect(ada.page.getByText(/disappear after 24 hours/).first()).toBeVisible();
  for (const number of [1, 3]) {
    await bea.send(`number ${number}`);
    await ada.sees(`number ${number}`);
    await ada.send(`number ${number + 1}`);
    await bea.sees(`number ${number + 1}`);
  }
  for (const person of [ada, bea]) {
    await person.page.reload();
    await person.sees("number 4");
    expect((await texts(person)).filter((text) => /^number \d$/.test(text)), person.name).toEqual([1, 2, 3, 4].map((number) => `number ${number}`));
  }
  await leave(ada, bea);
});

test("who was away for a great many messages has them all, in several chats", async ({ browser, server }) => {
  const [ada, bea] = await pair(browser, server);
  await ada.found("Saturday count", [bea]);
  await ada.send("who comes?");
  await bea.open("Saturday count");
  await bea.sees("who comes?");
  const place = bea.page.url();
  await bea.page.close();
  await post(ada, AWAY_COUNT);
  await ada.open("Bea Curlew");
  await post(ada, AWAY_COUNT);
  bea.page = await bea.context.newPage();
  bea.listen();
  await bea.page.goto(place);
  for (const chat of [/^Ada Sandpiper/, /^Saturday count/]) {
    await expect(bea.page.getByRole("navigation", { name: "Conversations" }).getByRole("link", { name: chat })).toContainText(`message ${AWAY_COUNT - 1}`, { timeout: 30_000 });
    await bea.open(chat);
    // It opens where she had read to.
    const down = bea.page.getByRole("button", { name: /newest message|messages? below/ });
    await expect(async () => {
      if (await down.isVisible()) await down.click({ timeout: 1_000 });
      await expect(bea.message(`message ${AWAY_COUNT - 1}`)).toBeVisible({ timeout: 1_000 });
    }).toPass();
  }
  await leave(ada, bea);
});

test("a full browser says so, loses nothing, and goes on when there is room", async ({ browser, server }) => {
  const [ada, bea] = await pair(browser, server);
  await ada.fillBrowser(true);
  await bea.send("for a full device");
  await expect(ada.page.getByText("This browser has no room left", { exact: false })).toBeVisible();
  await ada.send("written on a full device");
  await expect(ada.page.getByText("storage is full", { exact: false }).first()).toBeVisible();
  await expect(ada.composer()).toHaveValue("written on a full device");
  await ada.fillBrowser(false);
  await ada.sees("for a full device");
  await expect(ada.page.getByText("This browser has no room left", { exact: false })).toHaveCount(0);
  await ada.page.getByRole("button", { name: "Send", exact: true }).click();
  await bea.sees("written on a full device");
  await leave(ada, bea);
});

test("no word of theirs is on the wire, nor on the server's disk", async ({ browser, server }) => {
  // Names that no other test says in the open on this server.
  const [ada, bea] = await Person.registerAll(browser, server, ["Wilhelmina Oystercatcher", "Leopold Phalarope"]);
  const wires = await Promise.all([ada, bea].map(wire));
  await ada.writeTo(bea);
  await ada.send("the xylophone is hidden in the dunes");
  await bea.open("Wilhelmina Oystercatcher");
  await bea.sees("the xylophone is hidden in the dunes");
  await bea.react("the xylophone is hidden in the dunes", "👍");
  const photo = server.ffmpeg("planted.jpg", "-f", "lavfi", "-i", "mandelbrot=size=320x240", "-frames:v", "1");
  await ada.sendFile(photo, "quokka by the zeppelin");
  await bea.sees("quokka by the zeppelin");
  await ada.found("Walrus committee", [bea]);
  await ada.send("plutonium for breakfast");
  await bea.open("Walrus committee");
  await bea.sees("plutonium for breakfast");
  await bea.page.getByRole("searchbox").first().fill("plutonium");
  await expect(bea.page.locator("mark").first()).toBeVisible();

  const pixels = readFileSync(photo).subarray(-256, -192);
  const planted = ["xylophone", "quokka", "plutonium", "Walrus", "committee", "planted.jpg", "Oystercatcher", "Phalarope", "👍", pixels];
  const spoken = wires.flatMap((recorded) => recorded);
  expect(spoken.length).toBeGreaterThan(50);
  expect(hits(spoken, planted), "plaintext on the wire").toEqual([]);
  // The search is shown to work, in what is sent and in what is heard: who is in a group is the server's to know.
  for (const open of [`<create xmlns="urn:whimbrel:groups:0"`, "created the group"]) expect(hits(spoken, [open]).length, open).toBeGreaterThan(0);
  expect(hits(filesOf(join(server.folder, "data")), planted), "plaintext on the server's disk").toEqual([]);
  await leave(ada, bea);
});

/// Two who have said hello. @param hours that the clock of each is off, in the page and its workers
async function pair(browser, server, hours = [0, 0]) {
  const names = ["Ada Sandpiper", "Bea Curlew"];
  const [ada, bea] = await Promise.all(names.map((name, one) => Person.register(hours[one] ? skewed(browser, hours[one]) : browser, server, name)));
  await ada.writeTo(bea);
  await ada.send("hello from Ada Sandpiper");
  await bea.open("Ada Sandpiper");
  await bea.sees("hello from Ada Sandpiper");
  await bea.send("hello from Bea Curlew");
  await ada.sees("hello from Bea Curlew");
  return [ada, bea];
}

async function leave(...people) {
  for (const person of people) {
    // Networks that were cut are told by the browser itself.
    const told = person.said.filter((line) => !/net::ERR_|WebSocket connection to|Service Worker registration blocked/.test(line));
    expect(told, `the console of ${person.name} is quiet`).toEqual([]);
  }
  await Promise.all(people.map((person) => person.leave()));
}

/// What stands in the open chat, top to bottom.
function texts({ page }) {
  return page.getByRole("log").evaluate((log) => log.innerText.split("\n").map((line) => line.trim()));
}

async function post(person, count) {
  await person.sendAll(Array.from({ length: count }, (_, number) => `message ${number}`));
  await person.sees(`message ${count - 1}`);
  await expect(person.page.getByRole("log").getByLabel("Sending", { exact: true })).toHaveCount(0, { timeout: 60_000 });
  await expect(person.page.getByRole("button", { name: /^Not sent/ })).toHaveCount(0);
}

/// A browser whose contexts have a clock that is off.
function skewed(browser, hours) {
  const shift = `{ const Own = Date, off = ${hours * 3_600_000};
    globalThis.Date = class extends Own { constructor(...given) { given.length ? super(...given) : super(Own.now() + off); } static now() { return Own.now() + off; } }; }\n`;
  return {
    newContext: async (options) => {
      // A script that the test itself hands out does not count as one of this machine.
      const context = await browser.newContext({ ...options, serviceWorkers: "block", permissions: ["local-network-access"] });
      await context.addInitScript(shift);
      await context.route(/\/assets\/worker-[^/]*\.js$/, async (route) => {
        const answer = await route.fetch();
        await route.fulfill({ response: answer, body: shift + (await answer.text()) });
      });
      return context;
    },
  };
}

/// All that a browser says to the server and hears from it, from now on.
async function wire({ context, page }) {
  const recorded = [];
  const devtools = await context.newCDPSession(page);
  // The stream to the server is the engine's, in a worker, which has a door of its own.
  devtools.on("Target.attachedToTarget", ({ sessionId }) => {
    const message = JSON.stringify({ id: 1, method: "Network.enable", params: {} });
    void devtools.send("Target.sendMessageToTarget", { sessionId, message }).catch(() => undefined);
  });
  devtools.on("Target.receivedMessageFromTarget", ({ message }) => {
    const { method, params } = JSON.parse(message);
    if (method?.startsWith("Network.webSocketFrame")) recorded.push(["websocket", Buffer.from(params.response?.payloadData ?? "")]);
  });
  await devtools.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  context.on("request", (request) => {
    recorded.push([request.url(), Buffer.from(`${request.url()}\n${JSON.stringify(request.headers())}\n`)]);
    const body = request.postDataBuffer();
    if (body) recorded.push([request.url(), body]);
  });
  context.on("response", async (response) => {
    if (!/\/(api|upload|media)\b/.test(new URL(response.url()).pathname)) return;
    const body = await response.body().catch(() => null);
    if (body) recorded.push([response.url(), body]);
  });
  return recorded;
}

function filesOf(folder) {
  return readdirSync(folder, { recursive: true })
    .map((name) => [name, join(folder, name)])
    .filter(([, path]) => statSync(path, { throwIfNoEntry: false })?.isFile())
    .map(([name, path]) => [name, readFileSync(path)]);
}

/// Which of the words stand in which of the texts; also where they stand there in base64, at each of its three offsets.
function hits(all, words) {
  const forms = words.flatMap((word) => [0, 1, 2].map((offset) => {
    const bytes = Buffer.concat([Buffer.alloc(offset), Buffer.from(word)]);
    return Buffer.from(bytes.toString("base64").slice(offset ? 4 : 0, Math.floor(bytes.length / 3) * 4));
  }).concat([Buffer.from(word)]).filter((form) => form.length > 4).map((form) => [word, form]));
  return all.flatMap(([name, bytes]) => forms.filter(([, form]) => bytes.includes(form)).map(([word]) => `${name}: ${String(word)}`));
}
