// Every screen of the web app, on a phone by night and on a desktop by day: axe finds nothing wrong
// with it, and nothing is wider than the screen. WHIMBREL_SCREENS names a folder for pictures:
// `WHIMBREL_SCREENS=../../docs/screens npx playwright test screens.spec.js` makes those of the README.
import AxeBuilder from "@axe-core/playwright";
import { join } from "node:path";
import { SCREENS, expect, test } from "./server.js";
import { Person } from "./people.js";

const WAYS = [["phone", "dark"], ["desktop", "light"]];
const SETTINGS = ["profile", "account", "devices", "privacy", "lock", "notifications", "chats", "backup", "appearance", "language", "storage", "shortcuts"];

test("every screen is fit to be shown, and to be used without seeing it", async ({ browser, server }) => {
  test.setTimeout(240_000);
  const ada = await Person.register(browser, server, "Ada Sandpiper", { viewport: SCREENS.desktop });
  const bea = await Person.register(browser, server, "Bea Curlew", { viewport: SCREENS.desktop });
  const other = server.account();
  await talk(ada, bea, other);
  const look = screens(ada);
  await look("chats", "#/");
  const chats = ada.page.getByRole("navigation", { name: "Conversations" });
  for (const [name, chat] of [["conversation", /^Bea Curlew/], ["group", /^Saturday count/], ["open", new RegExp(`^\\${other.number}`)]]) {
    const link = await chats.getByRole("link", { name: chat }).first().getAttribute("href");
    await look(name, link);
    await look(`${name}-info`, `${link}/info`);
  }
  await compose(ada, look, await chats.getByRole("link", { name: /^Bea Curlew/ }).first().getAttribute("href"));
  for (const list of ["people", "new", "new-group", "starred", "settings"]) await look(list, `#/${list}`);
  for (const section of SETTINGS) await look(`settings-${section}`, `#/settings/${section}`);
  await lock(ada);
  await look("settings-lock-set", "#/settings/lock");
  await ada.page.keyboard.press("Alt+l");
  await expect(ada.page.getByRole("heading", { name: "Whimbrel is locked" })).toBeVisible();
  await look("locked", "#/");
  await ada.page.getByRole("button", { name: "Forgot the passphrase?" }).click();
  await look("locked-forgotten", "#/");
  expect(ada.said, "the console is quiet").toEqual([]);

  const newcomer = new Person();
  newcomer.context = await browser.newContext({ locale: "en" });
  newcomer.page = await newcomer.context.newPage();
  await newcomer.page.goto(server.appUrl);
  await screens(newcomer)("start", "#/");
  for (const person of [ada, bea, newcomer]) await person.leave();
});

/// What is laid over and under a conversation while one composes.
async function compose({ page }, look, link) {
  await page.evaluate((hash) => (location.hash = hash), link);
  await page.getByRole("button", { name: "Emoji", exact: true }).click();
  await page.getByRole("tab", { name: "Stickers" }).click();
  await look("stickers", link);
  await page.getByRole("button", { name: "Emoji", exact: true }).click();
  await page.getByRole("button", { name: "Attach" }).click();
  await page.getByRole("menuitem", { name: "Camera" }).click();
  await expect(page.getByRole("button", { name: "Take a photo" })).toBeEnabled();
  await look("camera", link);
  await page.keyboard.press("Escape");
  await page.getByRole("textbox", { name: /^Message to/ }).fill("https://example.org/whimbrel");
  await expect(page.getByText("Show previews of links?")).toBeVisible();
  await look("link-offer", link);
  await page.getByRole("textbox", { name: /^Message to/ }).fill("");
}

async function lock({ page }) {
  await page.evaluate(() => (location.hash = "#/settings/lock"));
  await page.getByRole("button", { name: "Set a passphrase" }).click();
  for (const label of ["New passphrase", "New passphrase again"]) await page.getByLabel(label, { exact: true }).fill("a tern over the bar");
  await page.getByRole("dialog").getByRole("button", { name: "Set a passphrase" }).click();
  await expect(page.getByRole("dialog")).toHaveCount(0);
}

async function talk(ada, bea, other) {
  await ada.writeTo(other);
  await ada.send("Does your XMPP client show this?");
  await ada.writeTo(bea);
  await ada.send("The tide is out. Are you coming?");
  await bea.open("Ada Sandpiper");
  await bea.sees("The tide is out. Are you coming?");
  await bea.send("On my way, ten minutes");
  await bea.send("*Thirty* whimbrels on the mud already, _listen_: https://example.org/whimbrel");
  await ada.sees("On my way, ten minutes");
  await ada.react("On my way, ten minutes", "👍");
  await ada.found("Saturday count", [bea]);
  await ada.send("Meet at the hide at seven?");
  await bea.open("Saturday count");
  await bea.sees("Meet at the hide at seven?");
  await bea.send("I bring the scope 🔭");
  await ada.sees("I bring the scope 🔭");
}

/// Looks at a place of the app.
function screens({ page }) {
  return async (name, place) => {
    await page.evaluate((hash) => (location.hash = hash), place);
    for (const [screen, colorScheme] of WAYS) {
      await page.setViewportSize(SCREENS[screen]);
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      await expect(page.getByRole("progressbar")).toHaveCount(0);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      expect.soft(wide, `${name} is not wider than a ${screen}`).toBeLessThanOrEqual(0);
      const { violations } = await new AxeBuilder({ page }).analyze();
      const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
      expect.soft(told, `axe on ${name}, ${screen}, ${colorScheme}`).toEqual([]);
      const folder = process.env.WHIMBREL_SCREENS;
      if (folder) await page.screenshot({ path: join(folder, `${name}-${screen}.png`) });
    }
  };
}
