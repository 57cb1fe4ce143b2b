// The lock of the web app: by passphrase and by passkey, in all tabs at once, and on the disk.
import { expect, test } from "./server.js";
import { Person } from "./people.js";

const PASSPHRASE = "a tern over the bar";

test("a locked app shows nothing and keeps no key; passphrase or passkey open it, in all tabs", async ({ browser, server }) => {
  test.setTimeout(120_000);
  const [ada, bea] = await Person.registerAll(browser, server, ["Ada Sandpiper", "Bea Curlew"]);
  await ada.writeTo(bea);
  await ada.send("the tide is out");
  const { page } = ada;
  const other = await ada.context.newPage();
  await other.goto(server.appUrl);
  await expect(chats(other)).toBeVisible();
  expect(await keys(page)).toEqual(["sealing"]);

  await page.bringToFront();
  await authenticator(page);
  await page.evaluate(() => (location.hash = "#/settings/lock"));
  await page.getByRole("button", { name: "Set a passphrase" }).click();
  await page.getByLabel("New passphrase", { exact: true }).fill(PASSPHRASE);
  await page.getByLabel("New passphrase again").fill(PASSPHRASE);
  await page.getByRole("dialog").getByRole("button", { name: "Set a passphrase" }).click();
  await page.getByRole("button", { name: "Add a passkey" }).click();
  await page.getByLabel("Your passphrase").fill(PASSPHRASE);
  await page.getByRole("dialog").getByRole("button", { name: "Add a passkey" }).click();
  await expect(page.getByRole("button", { name: "Remove the passkey" })).toBeVisible();
  expect(await keys(page)).toEqual(["lock"]);

  await other.keyboard.press("Alt+l");
  for (const tab of [page, other]) {
    await expect(tab.getByRole("heading", { name: "Whimbrel is locked" })).toBeVisible();
    expect(await tab.locator("body").innerText()).not.toMatch(/tide|Curlew/);
  }
  await bea.open("Ada Sandpiper");
  await bea.send("while you were locked");

  // Wrong ones are told, and from the third on they wait.
  for (const wrong of ["not this one", "nor that one"]) {
    await open(page, wrong);
    await expect(page.getByRole("alert")).toHaveText("That doesn't open it");
  }
  await open(page, "nor the third");
  await expect(page.getByRole("alert")).toContainText("Try again in");
  await page.reload();
  await expect(page.getByRole("heading", { name: "Whimbrel is locked" })).toBeVisible();
  // The wait is over; the try that finds it running is told so, and waits on.
  const byPasskey = page.getByRole("button", { name: "Unlock with a passkey" });
  await expect(async () => {
    if (await byPasskey.isEnabled({ timeout: 100 }).catch(() => false)) await byPasskey.click({ timeout: 100 });
    await expect(page.getByRole("link", { name: "Chats" })).toBeVisible({ timeout: 1_000 });
  }).toPass();
  await page.getByRole("link", { name: "Chats" }).click();
  await expect(chats(other)).toBeVisible();
  await ada.open("Bea Curlew");
  await ada.sees("while you were locked");

  // The tab that wrote goes: the other one goes on, and what starts anew is locked.
  await page.close();
  await chats(other).getByRole("link", { name: "Bea Curlew" }).first().click();
  ada.page = other;
  await ada.send("from the other tab");
  await bea.sees("from the other tab");
  await other.reload();
  await open(other, PASSPHRASE);
  await expect(other.getByRole("log").getByText("from the other tab")).toBeVisible();
  expect(ada.said, "the console is quiet").toEqual([]);

  // Who has forgotten it begins again.
  await other.keyboard.press("Alt+l");
  await other.getByRole("button", { name: "Forgot the passphrase?" }).click();
  await other.getByRole("button", { name: "Remove data from this device" }).click();
  await expect(other.getByLabel("Phone number")).toBeVisible();
  expect(await keys(other)).toEqual(["sealing"]);
  await Promise.all([ada.leave(), bea.leave()]);
});

const chats = (page) => page.getByRole("navigation", { name: "Conversations" });

async function open(page, passphrase) {
  await page.getByLabel("Passphrase").fill(passphrase);
  await page.getByRole("button", { name: "Unlock", exact: true }).click();
}

/// The names of the keys that lie in the browser's database.
function keys(page) {
  return page.evaluate(
    () =>
      new Promise((resolve) => {
        const opening = indexedDB.open("whimbrel");
        opening.onsuccess = () => {
          const asked = opening.result.transaction("keys").objectStore("keys").getAllKeys();
          asked.onsuccess = () => resolve(asked.result) ?? opening.result.close();
        };
      }),
  );
}

/// A device with a fingerprint reader that always sees the right finger.
async function authenticator(page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  const options = { protocol: "ctap2", ctap2Version: "ctap2_1", transport: "internal", hasResidentKey: true, hasUserVerification: true, hasPrf: true, isUserVerified: true };
  await devtools.send("WebAuthn.addVirtualAuthenticator", { options });
}
