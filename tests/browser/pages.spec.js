// The built-in page and a listing, on a phone and on a desktop, in light and in dark.
import { SCREENS, expect, test } from "./server.js";

for (const [screen, viewport] of Object.entries(SCREENS)) {
  for (const colorScheme of ["light", "dark"]) {
    test.describe(`${screen}, ${colorScheme}`, () => {
      test.use({ viewport, colorScheme });

      test("the default site greets", async ({ page, server }, info) => {
        const answer = await page.goto(server.url);
        expect(answer.status()).toBe(200);
        await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
        await expect(page.getByRole("button", { name: "Show" })).toBeVisible();
        await look(page, info.outputPath("greeting.png"), colorScheme);
      });

      test("a listing shows what is there", async ({ page, server, console }, info) => {
        await page.goto(server.filesUrl);
        for (const name of ["notes.txt", "Holidays 2026", "Straße & Söhne", "<b>no markup.html"]) {
          await expect(page.getByRole("link", { name })).toBeVisible();
        }
        await expect(page.getByText(".hidden")).toHaveCount(0);
        await expect(page.getByText(/2(\.0)? (kB|KiB)/)).toBeVisible();
        await look(page, info.outputPath("listing.png"), colorScheme);
        await page.getByRole("link", { name: "Holidays 2026" }).click();
        expect(console).toEqual([]);
        // Of a text file without an icon beside it Chromium itself complains.
        page.removeAllListeners("console");
        await page.getByRole("link", { name: "harbour.txt" }).click();
        await expect(page.getByText("a quiet harbour")).toBeVisible();
      });
    });
  }
}

/// Nothing is wider than the screen, the colours are those asked for, and a picture is kept.
async function look(page, path, colorScheme) {
  const { wide, background } = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth - innerWidth,
    background: getComputedStyle(document.body).backgroundColor,
  }));
  expect(wide, "nothing is wider than the screen").toBeLessThanOrEqual(0);
  const brightness = background.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3;
  expect(brightness > 128).toBe(colorScheme === "light");
  await page.screenshot({ path, fullPage: true });
}
