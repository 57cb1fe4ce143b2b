// The account, from its first minute to its last, as its owner sees it in the web app.
import { expect, test } from "./server.js";
import { Person } from "./people.js";

test("by the keyboard alone a newcomer comes from the page to a first message", async ({ browser, server }) => {
  const bea = await Person.register(browser, server, "Bea Curlew");
  const ada = await Person.arrive(browser, server, "Ada Sandpiper");
  const { keyboard } = ada.page;
  // One: the number. Two: the code. Three: the name.
  await expect(ada.page.getByLabel("Phone number")).toBeFocused();
  await keyboard.type(ada.number);
  await keyboard.press("Enter");
  await expect(ada.page.getByLabel("Code", { exact: true })).toBeFocused();
  await keyboard.type("000000");
  await expect(ada.page.getByRole("alert")).toHaveText(/That isn't the code/);
  await expect(ada.page.getByLabel("Code", { exact: true })).toBeFocused();
  await keyboard.type(await server.code(ada.number));
  await expect(ada.page.getByLabel("Your name")).toBeFocused();
  await keyboard.type(ada.name);
  await keyboard.press("Enter");
  // The empty list asks for whom to write to.
  await ada.page.getByLabel("Phone number").fill(bea.number);
  await keyboard.press("Enter");
  await expect(ada.composer()).toBeFocused();
  await keyboard.type("the tide is out");
  await keyboard.press("Enter");
  await ada.sees("the tide is out");
  await bea.open("Ada Sandpiper");
  await bea.sees("the tide is out");
  await Promise.all([ada.leave(), bea.leave()]);
});

test("an account gets a picture, a PIN and another number, and is deleted", async ({ browser, server }) => {
  const bea = await Person.register(browser, server, "Bea Curlew");
  const ada = await Person.arrive(browser, server, "Ada Sandpiper");
  const { page } = ada;
  await ada.proveNumber();
  await page.getByRole("button", { name: "Choose a picture" }).click();
  const editor = page.getByRole("dialog", { name: "Choose a picture" });
  await editor.getByLabel("Search emoji").fill("owl");
  await editor.getByRole("button", { name: /owl/i }).first().click();
  await editor.getByRole("radio", { name: "Coral" }).click();
  await editor.getByRole("button", { name: "Use this picture" }).click();
  await ada.nameThemselves();
  await ada.writeTo(bea);
  await ada.send("is that you?");
  await bea.open("Ada Sandpiper");
  await bea.sees("is that you?");
  // The picture came with the first message.
  const face = bea.page.getByRole("navigation", { name: "Conversations" }).getByRole("link", { name: /Ada Sandpiper/ }).locator("img");
  await expect.poll(() => face.evaluate((image) => image.naturalWidth)).toBe(512);

  await ada.settings("Account");
  await page.getByRole("button", { name: "Set a PIN" }).click();
  await page.getByLabel("PIN", { exact: true }).fill("123456");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("dialog").getByRole("alert")).toHaveText(/six characters/);
  await page.getByLabel("PIN", { exact: true }).fill("739154");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("button", { name: /Set a PIN/ })).toContainText("On");

  const before = ada.number;
  ada.number = server.number();
  await page.getByRole("button", { name: "Change number" }).click();
  await page.getByLabel("New phone number").fill(ada.number);
  await page.getByRole("button", { name: "Send code" }).click();
  await page.getByLabel("Code", { exact: true }).fill(await server.code(ada.number));
  await page.getByRole("switch", { name: "Tell my contacts" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Change number" }).click();
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await expect(page.getByRole("button", { name: /Change number/ })).toContainText(ada.number);

  // Whoever comes with the number and its code needs the PIN as well. The operator gives her another
  // one, since a number gets one code a minute.
  const third = server.number();
  server.command("account", "number", ada.number, third);
  ada.number = third;
  const thief = await Person.arrive(browser, server, "Ada Sandpiper", { number: ada.number });
  await thief.proveNumber();
  await thief.page.getByLabel("PIN").fill("000001");
  await thief.page.getByRole("button", { name: "Next" }).click();
  await expect(thief.page.getByRole("alert")).toHaveText(/That isn't the PIN/);
  await thief.leave();

  await page.getByRole("button", { name: "Delete account" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete account" }).click();
  await expect(page.getByLabel("Phone number")).toBeVisible();
  await bea.page.getByRole("button", { name: "New chat" }).first().click();
  for (const number of [before, ada.number]) {
    await bea.page.getByLabel("Phone number").fill(number);
    await bea.page.getByRole("button", { name: "Write a message" }).click();
    await expect(bea.page.getByText(/Nobody here has this number/)).toBeVisible();
  }
  await Person.leaveAll(ada, bea);
});

test("a second device is linked, and signed out from the first", async ({ browser, server }) => {
  const ada = await Person.register(browser, server, "Ada Sandpiper");
  await ada.settings("Devices");
  await ada.page.getByRole("button", { name: "Link a device" }).click();
  await expect(ada.page.getByRole("dialog").getByRole("img", { name: "Link a device" })).toBeVisible();
  await ada.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await ada.page.getByRole("dialog").getByRole("button", { name: "Copy" }).click();
  const link = await ada.page.evaluate(() => navigator.clipboard.readText());
  await ada.page.getByRole("button", { name: "Close" }).click();

  const second = await Person.arrive(browser, server, ada.name, { number: ada.number });
  await second.page.getByRole("button", { name: "Link to another device instead" }).click();
  await second.page.getByLabel("Link", { exact: true }).fill(link);
  await second.page.getByRole("button", { name: "Use this link" }).click();
  await expect(second.page.getByRole("button", { name: "New chat" }).first()).toBeVisible();
  await expect(second.page.getByRole("link", { name: "Profile" })).toBeVisible();

  await ada.page.reload();
  await ada.page.getByRole("button", { name: "Sign out all others" }).click();
  await ada.page.getByRole("dialog").getByRole("button", { name: "Sign out all others" }).click();
  await expect(second.page.getByLabel("Phone number")).toBeVisible();
  await expect(ada.page.getByRole("button", { name: "Sign out all others" })).toHaveCount(0);
  await Person.leaveAll(ada, second);
});

test("the app speaks five languages, wears what is chosen, and is led by keys", async ({ browser, server }) => {
  const ada = await Person.register(browser, server, "Ada Sandpiper", { colorScheme: "light" });
  const { page } = ada;
  const html = page.locator("html");
  await ada.settings("Appearance");
  const ground = () => page.evaluate(() => getComputedStyle(document.querySelector(".shell")).backgroundColor);
  const light = await ground();
  await page.getByRole("radio", { name: "Dark" }).click();
  await expect.poll(ground).not.toBe(light);
  await page.getByRole("radio", { name: "As the system" }).click();
  await expect.poll(ground).toBe(light);
  await page.getByRole("radio", { name: "Coral" }).click();
  await page.reload();
  await expect(page.getByRole("radio", { name: "Coral" })).toHaveAttribute("aria-checked", "true");

  await page.keyboard.press("Alt+Slash");
  await expect(page.getByRole("heading", { name: "Keyboard shortcuts" })).toBeVisible();
  await page.keyboard.press("Alt+n");
  await expect(page.getByLabel("Phone number")).toBeFocused();
  await page.keyboard.press("Alt+k");
  await expect(page.getByRole("searchbox", { name: "Search chats and messages" })).toBeFocused();

  await ada.settings("Storage");
  await ada.settings("Language");
  for (const [language, code, dir, chats] of [
    ["Deutsch", "de", "ltr", "Chats"], ["Español", "es", "ltr", "Chats"], ["हिन्दी", "hi", "ltr", "चैट"], ["العربية", "ar", "rtl", "الدردشات"],
  ]) {
    await page.getByRole("radio", { name: language }).click();
    await expect(html).toHaveAttribute("lang", code);
    await expect(html).toHaveAttribute("dir", dir);
    await expect(page.getByRole("link", { name: chats })).toBeVisible();
  }
  expect(ada.said, "the console is quiet").toEqual([]);
  await ada.leave();
});
