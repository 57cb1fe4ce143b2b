// Encrypted backups in the app: turned on by 64 digits, made, taken in again, turned off.
import { SCREENS, expect, test } from "./server.js";
import { Person } from "./people.js";

test("a backup by 64 digits is made, restored and deleted", async ({ browser, server }) => {
  test.setTimeout(120_000);
  const ada = await Person.register(browser, server, "Ada Sandpiper", { viewport: SCREENS.phone });
  const { page } = ada;
  const dialog = page.getByRole("dialog");
  await page.evaluate(() => (location.hash = "#/settings/backup"));
  await page.getByRole("button", { name: /64-digit key/ }).click();
  await dialog.getByRole("button", { name: "Turn on" }).click();
  await expect(dialog.getByRole("listitem")).toHaveCount(16);
  const digits = (await dialog.getByRole("listitem").allTextContents()).join(" ");
  expect(digits).toMatch(/^(\d{4} ){15}\d{4}$/);
  await dialog.getByRole("button", { name: "Done" }).click();
  await page.getByRole("button", { name: /^Back up now/ }).click();
  await expect(page.getByRole("button", { name: /^Back up now Made / })).toBeVisible({ timeout: 30_000 });

  await page.getByRole("button", { name: /^Restore from the server/ }).click();
  const restore = dialog.getByRole("button", { name: "Restore", exact: true });
  await dialog.getByLabel("64-digit key").fill(digits.replace(/^\d/, (digit) => String((Number(digit) + 1) % 10)));
  await restore.click();
  await expect(dialog.getByRole("alert")).toHaveText("That doesn't open the backup");
  await dialog.getByLabel("64-digit key").fill(digits);
  await restore.click();
  await expect(page.getByText("Your messages are back")).toBeVisible({ timeout: 30_000 });

  await page.getByRole("button", { name: "Turn off and delete" }).click();
  await dialog.getByRole("button", { name: "Turn off and delete" }).click();
  await expect(page.getByRole("button", { name: /^Turn on with a password/ })).toBeVisible();
  await expect(page.getByRole("button", { name: /^Restore from the server/ })).toHaveCount(0);
  expect(ada.said, "the console is quiet").toEqual([]);
  await ada.leave();
});
