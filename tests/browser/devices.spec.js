// A second device: linked by what the first one shows, with all that was before.
import { chromium } from "@playwright/test";
import { expect, test } from "./server.js";
import { Person } from "./people.js";

test("a second device reads the QR code that the first one draws, and shows what was before", async ({ browser, server }) => {
  const [ada, bea] = await Person.registerAll(browser, server, ["Ada Sandpiper", "Bea Curlew"]);
  await ada.writeTo(bea);
  await ada.send("written before");
  await bea.open("Ada Sandpiper");
  await bea.sees("written before");
  await bea.send("answered before");
  await ada.sees("answered before");

  await ada.page.evaluate(() => (location.hash = "#/settings/devices"));
  await ada.page.getByRole("button", { name: "Link a device" }).click();
  const code = ada.page.getByRole("dialog").getByRole("img", { name: "Link a device" });
  await expect(code).toBeVisible();
  const second = await camera(server, await code.screenshot());
  const { page } = second;
  await page.getByRole("button", { name: "Link to another device instead" }).click();
  await page.getByRole("button", { name: "Scan a code" }).click();
  await second.open(/Bea Curlew/);
  await second.sees("written before");
  await second.sees("answered before");
  await second.send("from the second");
  await bea.sees("from the second");
  // It comes up again as it was left.
  await page.reload();
  await second.sees("from the second");
  await second.sees("written before");
  await expect(page.getByText("Messages are coming over")).toHaveCount(0);
  expect([...ada.said, ...second.said], "the console is quiet").toEqual([]);
  await second.browser.close();
  await Promise.all([ada.leave(), bea.leave()]);
});

/// Somebody in a browser of its own, before whose camera a picture is held.
async function camera(server, png) {
  const film = server.ffmpeg("code.y4m", "-loop", "1", "-framerate", "5", "-i", server.file("code.png", png),
    "-t", "2", "-vf", "scale=400:400,pad=640:480:120:40:white", "-pix_fmt", "yuv420p");
  const { executablePath, args } = test.info().project.use.launchOptions;
  const browser = await chromium.launch({
    executablePath,
    args: [...args, "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", `--use-file-for-fake-video-capture=${film}`],
  });
  const person = new Person();
  person.browser = browser;
  person.context = await browser.newContext({ locale: "en" });
  person.page = await person.context.newPage();
  person.listen();
  await person.page.goto(server.appUrl);
  return person;
}
