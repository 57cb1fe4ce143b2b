// Every screen of the web app over sample conversations, on a phone by night and on a desktop by day: axe finds
// nothing wrong with it, and nothing is wider than the screen. WHIMBREL_SCREENS names a folder for pictures:
// `WHIMBREL_SCREENS=../../docs/screens npx playwright test screens.spec.js` makes those of the README. With
// WHIMBREL_SCREENS_ALL there is one of every screen, in both sizes by day and by night.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { SCREENS, expect } from "./server.js";
import { SAMPLE_URL, test } from "./sample.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const all = process.env.WHIMBREL_SCREENS_ALL !== undefined;
const WAYS = [["phone", "dark"], ["desktop", "light"], ...(all ? [["phone", "light"], ["desktop", "dark"]] : [])];
/// When it is in the pictures: those of a screen that has not changed stay the same.
const NOW = new Date("2026-05-09T16:20:00+02:00");
const SETTINGS = ["profile", "account", "devices", "privacy", "lock", "notifications", "chats", "backup", "appearance", "language", "storage", "shortcuts"];
const LISTS = ["archived", "people", "new", "new-group", "starred", "settings"];
/// What docs/screens shows.
const SHOWN = ["chats", "conversation", "conversation-info", "group", "group-info", ...LISTS, ...SETTINGS.map((section) => `settings-${section}`), "start", "stickers", "poll", "viewer", "call", "ringing", "arabic-conversation"];

test.describe.configure({ mode: "parallel", timeout: 180_000 });

for (const [screen, colorScheme] of WAYS) {
  test(`every screen is fit to be shown, and to be used without seeing it: ${screen}, ${colorScheme}`, async ({ browser, sample }) => {
    const visit = (locale = "en") => Visit.begin(browser, sample, { screen, colorScheme, locale });
    const visits = await Promise.all([visit(), visit(), visit(), visit("ar")]);
    const [one, other, states, arabic] = visits;
    await Promise.all([places(one), overlays(other), inStates(states).then(() => inArabic(arabic))]);
    for (const { said, context } of visits) {
      expect(said, "the console is quiet").toEqual([]);
      await context.close();
    }
  });
}

/// What an address leads to.
async function places(visit) {
  await visit.open("");
  await visit.look("chats");
  for (const [name, chat] of [["conversation", "direct-ada"], ["group", "reserve"], ["open", "sam000000000"], ["open-group", "allotment"], ["self", "self"]]) {
    await visit.look(name, `#/chat/${chat}`);
    await visit.look(`${name}-info`, `#/chat/${chat}/info`);
  }
  await visit.look("troubles", "#/chat/direct-tomas");
  await visit.look("left", "#/chat/old");
  await visit.look("media", "#/chat/direct-ada/media");
  await visit.look("person", "#/person/mei000000000");
  for (const list of LISTS) await visit.look(list, `#/${list}`);
  for (const section of SETTINGS) await visit.look(`settings-${section}`, `#/settings/${section}`);
}

/// What is laid over a screen, or put into it for a while.
async function overlays(visit) {
  const { page } = visit;
  const button = (name) => page.getByRole("button", { name, exact: true });
  const item = (name) => page.getByRole("menuitem", { name, exact: true });
  const dialog = page.getByRole("dialog");
  const escape = () => page.keyboard.press("Escape");
  const message = page.getByRole("article", { name: /the scope, you bring tea/ });
  const choose = async (name) => {
    await message.click({ button: "right" });
    await item(name).click();
  };

  await visit.open("");
  await page.getByRole("searchbox").first().fill("tide");
  await expect(page.locator("mark").first()).toBeVisible();
  await visit.look("search");
  await page.getByRole("searchbox").first().fill("");
  await page.getByRole("link", { name: /Jonas Weber/ }).first().click({ button: "right" });
  await visit.look("chat-menu");
  await item("Mute notifications").or(item("Unmute")).first().waitFor();
  await escape();

  await visit.go("#/chat/direct-ada");
  await message.click({ button: "right" });
  await visit.look("message-menu");
  await escape();
  for (const [name, label] of [["message-info", "Message info"], ["forward", "Forward"], ["delete", "Delete"]]) {
    await choose(label);
    await dialog.waitFor();
    await visit.look(name);
    await escape();
  }
  await choose("Reply");
  await visit.look("reply");
  await escape();
  await choose("Select");
  await visit.look("selection");
  await button("End the selection").click();
  await button("Chat options").click();
  await item("Search in this chat").click();
  await page.getByRole("searchbox", { name: "Search in this chat" }).fill("tide");
  await expect(page.getByText(/^1 of /)).toBeVisible();
  await visit.look("search-in-chat");
  await escape();
  await button("Open the photo").last().click();
  await visit.look("viewer");
  await escape();

  await button("Emoji").click();
  await visit.look("emoji");
  await page.getByRole("tab", { name: "Stickers" }).click();
  await visit.look("stickers");
  await button("Emoji").click();
  await button("Attach").click();
  await visit.look("attach");
  await escape();
  for (const [name, label, isThere] of [["camera", "Camera", button("Take a photo")], ["poll", "Poll", page.getByLabel("Question")], ["place", "Location", page.getByLabel("Name of the place")], ["send-contact", "Contact", dialog]]) {
    await button("Attach").click();
    await item(label).click();
    await expect(isThere).toBeEnabled();
    await visit.look(name);
    await escape();
  }
  await button("Record a voice message").click();
  await page.getByRole("timer").waitFor();
  await visit.look("recorder");
  await button("Discard the recording").click();
  await page.getByRole("textbox", { name: /^Message to/ }).fill("https://example.org/whimbrel");
  await expect(page.getByText("Show previews of links?")).toBeVisible();
  await visit.look("link-offer");
  await page.getByRole("textbox", { name: /^Message to/ }).fill("");
  await button("Chat options").click();
  await item("Colours and wallpaper").click();
  await dialog.waitFor();
  await visit.look("colours");
  await escape();

  for (const [name, place, label] of [
    ["safety-number", "#/chat/direct-ada/info", /^Safety number/], ["report", "#/chat/direct-ada/info", "Report"], ["add-members", "#/chat/reserve/info", /^Add members/],
    ["my-code", "#/people", "My code"], ["join", "#/people", /^Join by link/], ["picture", "#/settings/profile", "Change the picture"], ["change-number", "#/settings/account", /^Change number/], ["pin", "#/settings/account", /^Set a PIN/],
    ["sign-out", "#/settings/account", /^Sign out/], ["link-device", "#/settings/devices", "Link a device"], ["set-lock", "#/settings/lock", /^Set a passphrase/], ["backup-key", "#/settings/backup", /64-digit key/],
  ]) {
    await visit.go(place);
    await page.getByRole("button", { name: label }).first().click();
    await dialog.waitFor();
    await visit.look(name);
    await escape();
    await expect(dialog).toHaveCount(0);
  }
}

/// What is so from the beginning.
async function inStates(visit) {
  const { page } = visit;
  for (const state of ["empty", "offline", "linking", "unvouched", "doubted"]) {
    await visit.open(`?${state}`);
    if (state === "doubted") await expect(page.getByRole("dialog", { name: /has changed$/ })).toBeVisible();
    if (state === "offline") await expect(page.getByText("No connection.")).toBeVisible();
    await visit.look(state);
  }
  await visit.open("?ringing");
  await expect(page.getByRole("alertdialog")).toBeVisible();
  await visit.look("ringing");
  await page.getByRole("button", { name: "Answer", exact: true }).click();
  await page.getByRole("button", { name: "Make it small" }).click();
  await visit.go("#/chat/reserve");
  await visit.look("call-small");
  await page.getByRole("button", { name: "Video call" }).click();
  await page.getByRole("button", { name: /show large$/ }).nth(2).waitFor();
  await visit.look("call");
  await page.getByRole("button", { name: /show large$/ }).first().click();
  await visit.look("call-large");
  await visit.open("?empty#/people");
  await visit.look("empty-people");
  await visit.open("?share#/share");
  await expect(page.getByRole("dialog")).toBeVisible();
  await visit.look("share");
  await visit.open("?locked");
  await visit.look("locked");
  await page.getByRole("button", { name: "Forgot the passphrase?" }).click();
  await visit.look("locked-forgotten");
  await visit.open("?start");
  await visit.look("start");
  await page.getByLabel("Phone number").fill("+4930231250");
  await page.getByRole("button", { name: "Send code" }).click();
  await page.getByLabel("Code", { exact: true }).waitFor();
  await visit.look("start-code");
  await visit.open("?start");
  await page.getByRole("button", { name: "Link to another device instead" }).click();
  await visit.look("start-link");
}

/// From right to left.
async function inArabic(visit) {
  await visit.open("");
  await visit.look("arabic-chats");
  await visit.look("arabic-conversation", "#/chat/direct-ada");
  await visit.look("arabic-own", "#/chat/direct-omar");
  await visit.look("arabic-group-info", "#/chat/reserve/info");
  await visit.look("arabic-settings", "#/settings/privacy");
}

class Visit {
  said = [];
  fetching = new Set();

  static async begin(browser, sample, { screen, colorScheme, locale }) {
    const visit = new Visit();
    Object.assign(visit, { screen, colorScheme });
    visit.context = await sample.context(browser, { viewport: SCREENS[screen], colorScheme, locale, reducedMotion: "reduce", permissions: ["camera", "microphone"] });
    visit.page = await visit.context.newPage();
    await visit.page.clock.setFixedTime(NOW);
    visit.page.on("console", (line) => ["error", "warning"].includes(line.type()) && visit.said.push(`${visit.at}: ${line.text()}`));
    visit.page.on("request", (request) => visit.fetching.add(request));
    for (const end of ["requestfinished", "requestfailed"]) visit.page.on(end, (request) => visit.fetching.delete(request));
    visit.page.on("pageerror", (error) => visit.said.push(String(error)));
    return visit;
  }

  async open(place) {
    await this.page.goto("about:blank");
    await this.page.goto(SAMPLE_URL + place);
  }

  async go(place) {
    await this.page.evaluate((hash) => (location.hash = hash), place);
    await this.settle();
  }

  /// Nothing is fetched, and nothing moves any more.
  async settle() {
    do await this.page.evaluate(settled);
    while (this.fetching.size > 0);
  }

  async look(name, place) {
    const { page, screen, colorScheme } = this;
    this.at = name;
    if (place) await this.go(place);
    else await this.settle();
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect.soft(wide, `${name} is not wider than a ${screen}`).toBeLessThanOrEqual(0);
    if (!(await page.evaluate(() => "axe" in globalThis))) await page.evaluate(axe);
    expect.soft(await page.evaluate(violations), `axe on ${name}, ${screen}, ${colorScheme}`).toEqual([]);
    const folder = process.env.WHIMBREL_SCREENS;
    if (folder && all) await page.screenshot({ path: join(folder, `${name}-${screen}-${colorScheme}.png`) });
    else if (folder && SHOWN.includes(name)) shrink(await page.screenshot(), join(folder, `${name}-${screen}.png`));
  }
}

/// Writes a picture with a palette of its own: half as large, and to the eye the same.
function shrink(picture, path) {
  const palette = "split[one][other];[one]palettegen=stats_mode=single[palette];[other][palette]paletteuse=dither=none";
  execFileSync("ffmpeg", ["-v", "error", "-y", "-i", "-", "-vf", palette, "-pred", "mixed", path], { input: picture });
}

/// In the page: pictures are there, and for some frames nothing has changed.
function settled() {
  const REST_MS = 50;
  return new Promise((done) => {
    const seen = new MutationObserver(() => later());
    let timer;
    const later = () => {
      clearTimeout(timer);
      timer = setTimeout(() => (seen.disconnect(), done()), REST_MS);
    };
    seen.observe(document, { subtree: true, childList: true, characterData: true });
    later();
  }).then(() => Promise.all([...document.images].map((image) => image.decode().catch(() => undefined))));
}

/// In the page: what axe says of the parts that it has not looked at as they are now.
async function violations() {
  const PARTS = ".shell > .top, .shell > .rail, .shell .list, #open-pane, main:not(.shell main), dialog, [data-menu]";
  const isSeen = (part) => part.getClientRects().length > 0;
  const textOf = (part) => part.outerHTML.replace(/\d+/g, "");
  globalThis.looked ??= new Set();
  const fresh = [...document.querySelectorAll(PARTS)].filter((part) => isSeen(part) && !looked.has(textOf(part)));
  const told = [...document.querySelectorAll("h1")].some(isSeen) ? [] : ["there is no heading"];
  if (fresh.length === 0) return told;
  // What is about a page as a whole is looked at where it has just begun.
  const { violations } = await axe.run(looked.size > 0 ? { include: fresh } : document);
  for (const part of fresh) looked.add(textOf(part));
  return [...told, ...violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)];
}
