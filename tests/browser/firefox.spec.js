// The web app in Firefox, the system's, by WebDriver BiDi: the engine, its keys and the service worker are of
// another make there. Who is written to uses Chromium.
import { existsSync } from "node:fs";
import puppeteer from "puppeteer-core";
import { expect, test } from "./server.js";
import { Person } from "./people.js";

const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
const WAIT_MS_MAX = 30_000;
// All of the conversation is on the screen, and so in the page.
const VIEWPORT = { width: 1_000, height: 1_600 };

test.skip(!existsSync(FIREFOX), `${FIREFOX} is not installed`);

test("somebody with Firefox registers, talks, sends a photo, gets one and a film, and finds all of it again", async ({ browser, server }) => {
  test.setTimeout(180_000);
  const [fox, bea] = await Promise.all([Fox.register(server, "Fay Oystercatcher"), Person.register(browser, server, "Bea Curlew")]);
  await fox.press("New chat");
  await fox.write("Phone number", bea.number);
  await fox.press("Write a message");
  await fox.send("the tide is out");
  await bea.open("Fay Oystercatcher");
  await bea.sees("the tide is out");
  await bea.send("and the mud is warm");
  await fox.sees("and the mud is warm");

  await fox.drop("seen from Firefox");
  await bea.sees("seen from Firefox");
  const shown = bea.page.getByRole("log").locator("img.shown");
  await expect.poll(() => shown.evaluate((image) => image.naturalWidth)).toBe(640);
  const photo = server.ffmpeg("for-firefox.jpg", "-f", "lavfi", "-i", "testsrc=size=800x600", "-frames:v", "1");
  await bea.sendFile(photo, "seen from Chromium");
  await fox.sees("seen from Chromium");
  await expect.poll(() => fox.photos()).toEqual([640, 800]);

  // A film is opened piece by piece, by the service worker.
  const film = server.ffmpeg("for-firefox.webm", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=10:duration=20,noise=alls=60:allf=t", "-c:v", "libvpx", "-b:v", "2M", "-deadline", "realtime");
  await bea.sendFile(film, "and it moves");
  await fox.press("Play the film");
  await expect.poll(() => fox.played()).toBeGreaterThan(0.3);
  await fox.page.evaluate(() => (document.querySelector("dialog video").currentTime = 18));
  await expect.poll(() => fox.played()).toBeGreaterThan(18.3);
  expect(await fox.page.evaluate(() => document.querySelector("dialog video").currentSrc)).toContain("/file/");
  await fox.page.keyboard.press("Escape");

  await fox.page.reload();
  for (const text of ["the tide is out", "and the mud is warm", "seen from Firefox", "seen from Chromium"]) await fox.sees(text);
  await expect.poll(() => fox.photos()).toEqual([640, 800]);
  await fox.send("still here");
  await bea.sees("still here");
  expect(fox.said, "Firefox's console is quiet").toEqual([]);
  await Promise.all([fox.leave(), Person.leaveAll(bea)]);
});

/// Somebody in Firefox, by what they read on the screen.
class Fox {
  said = [];

  static async register(server, name) {
    const fox = new Fox();
    fox.browser = await puppeteer.launch({ browser: "firefox", executablePath: FIREFOX, headless: true, defaultViewport: VIEWPORT });
    expect(await fox.browser.version()).toMatch(/^firefox/i);
    fox.page = await fox.browser.newPage();
    fox.page.setDefaultTimeout(WAIT_MS_MAX);
    fox.page.on("console", (line) => ["error", "warn"].includes(line.type()) && fox.said.push(line.text()));
    fox.page.on("pageerror", (error) => fox.said.push(String(error)));
    await fox.page.goto(server.appUrl);
    const number = server.number();
    await fox.write("Phone number", number);
    await fox.press("Send code");
    await fox.write("Code", await server.code(number));
    await fox.write("Your name", name);
    await fox.press("Start messaging");
    return fox;
  }

  /// Waits for what has this name, or begins with it.
  async find(kinds, name) {
    const found = await this.page.waitForFunction(named, { polling: 50 }, kinds, name);
    return found.asElement();
  }

  async press(name) {
    await (await this.find("button:enabled, a", name)).click();
  }

  async write(name, text) {
    await (await this.find("input, textarea", name)).type(text);
  }

  async send(text) {
    await this.write("Message to ", text);
    await this.press("Send");
  }

  async sees(text) {
    await this.page.waitForFunction((text) => document.querySelector('[role="log"]')?.innerText.includes(text), { polling: 50 }, text);
  }

  /// Drops a photo on the conversation.
  async drop(caption) {
    await this.page.evaluate(dropped);
    await this.write("Caption", caption);
    await this.press("Send 1 file");
  }

  /// How wide the photos in the conversation are.
  photos() {
    return this.page.evaluate(() => [...document.querySelectorAll('[role="log"] img.shown')].map((image) => image.naturalWidth));
  }

  /// How many seconds of the film have been seen.
  played() {
    return this.page.evaluate(() => document.querySelector("dialog video")?.currentTime ?? 0);
  }

  async leave() {
    await this.browser.close();
  }
}

/// In the page: a control by its label or what stands on it.
function named(kinds, name) {
  const nameOf = (one) => one.getAttribute("aria-label") ?? one.labels?.[0]?.textContent ?? one.textContent ?? "";
  const isSeen = (one) => one.getClientRects().length > 0;
  const all = [...document.querySelectorAll(kinds)].filter(isSeen);
  return all.find((one) => nameOf(one).trim() === name) ?? all.find((one) => nameOf(one).trim().startsWith(name)) ?? null;
}

async function dropped() {
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
  const context = canvas.getContext("2d");
  context.fillStyle = "teal";
  context.fillRect(0, 0, 640, 480);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg"));
  const data = new DataTransfer();
  data.items.add(new File([blob], "shore.jpg", { type: "image/jpeg" }));
  const target = document.querySelector("[role=log]");
  for (const name of ["dragenter", "dragover", "drop"]) target.dispatchEvent(new DragEvent(name, { dataTransfer: data, bubbles: true, cancelable: true }));
}
