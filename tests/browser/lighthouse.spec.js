// What Lighthouse says of the app: `npm install --no-save lighthouse && LIGHTHOUSE=1 npx playwright test lighthouse.spec.js`,
// on a machine that does nothing else. Nothing is asserted: its performance is of this machine.
import { chromium } from "@playwright/test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "./server.js";
import { Person } from "./people.js";

const CATEGORIES = ["performance", "accessibility", "best-practices"];

test.skip(!process.env.LIGHTHOUSE, "measured by hand");

test("lighthouse", async ({ server }, info) => {
  test.setTimeout(600_000);
  const { default: lighthouse, desktopConfig } = await import("lighthouse");
  const profile = join(server.folder, "profile");
  const { executablePath, args } = info.project.use.launchOptions;
  const context = await chromium.launchPersistentContext(profile, { executablePath, args: [...args, "--remote-debugging-port=0"], locale: "en" });
  const [port] = readFileSync(join(profile, "DevToolsActivePort"), "utf8").split("\n");
  const look = async (screen, preset, config) => {
    const flags = { port: Number(port), onlyCategories: CATEGORIES, disableStorageReset: true, output: "json" };
    const { lhr, report } = await lighthouse(`${server.appUrl}/`, flags, config);
    writeFileSync(info.outputPath(`${screen}-${preset}.json`), report);
    console.log(screen, preset, ...CATEGORIES.map((name) => `${name} ${Math.round(lhr.categories[name].score * 100)}`));
    for (const { id, title, displayValue = "" } of lost(lhr)) console.log(`  ${id}: ${title} ${displayValue}`);
  };
  for (const screen of ["start", "chats"]) {
    if (screen === "chats") await signIn(context, server);
    await look(screen, "mobile");
    await look(screen, "desktop", desktopConfig);
  }
  await context.close();
});

/// What takes from the scores.
function lost({ categories, audits }) {
  const refs = CATEGORIES.flatMap((name) => categories[name].auditRefs);
  return refs.filter(({ id, weight }) => weight > 0 && audits[id].score !== null && audits[id].score < 0.9).map(({ id }) => audits[id]);
}

/// Somebody with a conversation, whose page is closed.
async function signIn(context, server) {
  const person = Object.assign(new Person(), { server, context, name: "Ada Sandpiper", number: server.number() });
  person.page = await context.newPage();
  await person.page.goto(server.appUrl);
  await person.proveNumber();
  await person.nameThemselves();
  await person.row("Notes to myself").click();
  await person.send("a curlew at dusk");
  await expect(person.page.getByRole("log")).toContainText("a curlew at dusk");
  await person.page.close();
}
