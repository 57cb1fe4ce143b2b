// What two people do with messages, and see of it on both sides.
import { SCREENS, expect, test } from "./server.js";
import { Person } from "./people.js";

test("messages are formatted, answered, changed, forwarded, kept and taken back", async ({ browser, server }, info) => {
  test.setTimeout(120_000);
  const [ada, bea] = await Person.registerAll(browser, server, ["Ada Sandpiper", "Bea Curlew"], { viewport: SCREENS.desktop });
  await ada.writeTo(bea);
  await ada.send("the first thing ever said");
  await bea.open("Ada Sandpiper");
  await bea.sees("the first thing ever said");

  await ada.send("so *bold*, _slanted_, ~gone~, `code` and https://example.org/birds");
  const formatted = bea.page.getByRole("log").getByRole("article").last();
  await expect(formatted.locator("strong")).toHaveText("bold");
  await expect(formatted.locator("em")).toHaveText("slanted");
  await expect(formatted.locator("s, del")).toHaveText("gone");
  await expect(formatted.locator("code")).toHaveText("code");
  await expect(formatted.getByRole("link", { name: "https://example.org/birds" })).toHaveAttribute("rel", /noopener/);

  const birds = ["🐦", "🐦🐦", "🐦🐦🐦", "🐦🐦🐦🐦"];
  await ada.sendAll(birds);
  await bea.sees("🐦🐦🐦🐦");
  const sizes = await Promise.all(birds.map((text) => sizeOf(bea.message(text))));
  expect(sizes[0]).toBeGreaterThan(sizes[1]);
  expect(sizes[1]).toBeGreaterThan(sizes[2]);
  expect(sizes[2]).toBeGreaterThan(sizes[3] * 1.5);

  // A quote leads to what is not loaded any more.
  await bea.choose("the first thing ever said", "Reply");
  await bea.send("I remember");
  await ada.sees("I remember");
  await ada.sendAll(Array.from({ length: 75 }, (_, count) => `number ${count}`));
  await bea.sees("number 74");
  await bea.choose("number 74", "Reply");
  await bea.send("enough");
  await ada.page.reload();
  await ada.sees("enough");
  await ada.scrollTo("I remember");
  await ada.page.getByRole("button", { name: /the first thing ever said/ }).click();
  await expect(ada.message("the first thing ever said").last()).toBeInViewport();
  // So does a search, and back.
  await ada.page.getByRole("button", { name: "Search in this chat" }).click();
  await ada.page.getByRole("searchbox", { name: "Search in this chat" }).fill("number 7");
  await expect(ada.page.getByText("1 of 6")).toBeVisible();
  await expect(ada.message("number 74").last()).toBeInViewport();
  for (let count = 0; count < 5; count++) await ada.page.getByRole("button", { name: "Older match" }).click();
  await expect(ada.message("number 7")).toBeInViewport();
  await Person.leaveAll(ada, bea);
});

test("messages are changed, starred, forwarded, reacted to, and taken back while there is time", async ({ browser, server }, info) => {
  test.setTimeout(150_000);
  const [ada, bea] = await Person.registerAll(browser, server, ["Ada Sandpiper", "Bea Curlew"], { viewport: SCREENS.desktop });
  await ada.writeTo(bea);
  await ada.send("who brings tea?");
  await bea.open("Ada Sandpiper");
  await bea.sees("who brings tea?");
  await bea.send("me, of corse");
  await bea.choose("me, of corse", "Edit");
  await bea.composer().fill("me, of course");
  await bea.page.getByRole("button", { name: "Save the change" }).click();
  await ada.sees("me, of course");
  await expect(ada.page.getByRole("article", { name: /me, of course/ })).toContainText("edited");

  await ada.react("me, of course", "❤️");
  await bea.react("me, of course", "❤️");
  await expect(ada.page.getByRole("button", { name: "❤️, 2 reactions" })).toBeVisible();
  await ada.choose("me, of course", "Reactions");
  await expect(ada.page.getByRole("dialog", { name: "Reactions" })).toContainText(/Bea Curlew[^]*You|You[^]*Bea Curlew/);
  await ada.page.screenshot({ path: info.outputPath("reactions.png") });
  await ada.page.keyboard.press("Escape");

  await ada.choose("me, of course", "Star");
  await ada.page.getByRole("link", { name: "Starred" }).first().click();
  await expect(ada.page.getByText("me, of course").first()).toBeVisible();
  await ada.page.getByRole("link", { name: "Chats" }).first().click();
  await ada.open("Bea Curlew");

  await ada.choose("me, of course", "Forward");
  await ada.page.getByRole("dialog").getByText("Notes to myself").click();
  await ada.page.getByRole("dialog").getByRole("button", { name: "Send" }).click();
  await expect(ada.page.getByRole("heading", { name: "Notes to myself" })).toBeVisible();
  await expect(ada.page.getByRole("article", { name: /me, of course/ })).toContainText("Forwarded");
  await ada.open("Bea Curlew");

  await ada.choose("who brings tea?", "Message info");
  await expect(ada.page.getByRole("dialog", { name: "Message info" })).toContainText(/Read by[^]*Bea Curlew/);
  await ada.page.screenshot({ path: info.outputPath("info.png") });
  await ada.page.keyboard.press("Escape");

  await ada.choose("me, of course", "Delete");
  await ada.page.getByRole("button", { name: "Delete for me" }).click();
  await expect(ada.message("me, of course")).toHaveCount(0);
  await bea.sees("me, of course");

  // The operator of this server lets authors take back for two days.
  await ada.page.clock.setFixedTime(Date.now() + 3 * 86_400_000);
  await ada.choose("who brings tea?", "Delete");
  await expect(ada.page.getByText("It is too late to delete this for everyone.")).toBeVisible();
  await expect(ada.page.getByRole("button", { name: "Delete for everyone" })).toHaveCount(0);
  await ada.page.screenshot({ path: info.outputPath("too-late.png") });
  await ada.page.getByRole("button", { name: "Cancel" }).click();
  await ada.page.clock.setFixedTime(Date.now());
  await ada.deleteForEveryone("who brings tea?");
  await expect(bea.page.getByText("This message was deleted")).toBeVisible();
  await Person.leaveAll(ada, bea);
});

test("reads that are not told, disappearing messages, polls, places, people and colours", async ({ browser, server }, info) => {
  test.setTimeout(150_000);
  const place = { permissions: ["geolocation"], geolocation: { latitude: 54.10873, longitude: 8.78543 } };
  const [ada, bea] = await Promise.all([
    Person.register(browser, server, "Ada Sandpiper", { viewport: SCREENS.desktop, ...place }),
    Person.register(browser, server, "Bea Curlew", { viewport: SCREENS.desktop }),
  ]);
  const { page } = ada;
  await ada.settings("Privacy");
  await page.getByRole("radiogroup", { name: "New chats' messages disappear" }).getByRole("radio", { name: "7 days" }).check();
  await bea.settings("Privacy");
  await bea.page.getByRole("switch", { name: /Read receipts/ }).click();
  await bea.page.getByRole("link", { name: "Chats" }).first().click();
  await page.getByRole("link", { name: "Chats" }).first().click();

  await ada.writeTo(bea);
  await ada.send("gone in a week");
  await bea.open("Ada Sandpiper");
  await bea.sees("gone in a week");
  await expect(bea.page.getByRole("log")).toContainText("set messages to disappear after 7 days");
  const sent = page.getByRole("article", { name: /gone in a week/ });
  await expect(sent.getByRole("img", { name: "Delivered" })).toBeVisible();
  await expect(sent.getByRole("img", { name: /Disappears/ })).toBeVisible();
  await bea.page.getByRole("button", { name: "Chat options" }).click();
  await bea.page.getByRole("menuitem", { name: "Disappearing messages" }).click();
  await bea.page.getByRole("button", { name: "24 hours" }).click();
  await expect(page.getByRole("log")).toContainText("set messages to disappear after 24 hours");

  await page.getByRole("button", { name: "Attach" }).click();
  await page.getByRole("menuitem", { name: "Poll" }).click();
  await page.getByLabel("Question").fill("When?");
  await page.getByLabel("Choice 1").fill("Saturday");
  await page.getByLabel("Choice 2").fill("Sunday");
  await page.getByRole("button", { name: "Send poll" }).click();
  await bea.page.getByRole("radio", { name: /Sunday/ }).click();
  await expect(page.getByRole("radio", { name: "Sunday, 1 vote" })).toBeVisible();
  await page.getByRole("button", { name: "Who voted" }).click();
  await expect(page.getByRole("dialog")).toContainText("Bea Curlew");
  await page.screenshot({ path: info.outputPath("votes.png") });
  await page.keyboard.press("Escape");

  await page.getByRole("button", { name: "Attach" }).click();
  await page.getByRole("menuitem", { name: "Location" }).click();
  await page.getByRole("button", { name: "Where I am now" }).click();
  await page.getByLabel("Name of the place").fill("The hide");
  await page.getByRole("button", { name: "Send place" }).click();
  await expect(bea.page.getByRole("log").getByRole("link", { name: /The hide/ })).toHaveAttribute("href", /mlat=54\.10873/);
  await page.getByRole("button", { name: "Attach" }).click();
  await page.getByRole("menuitem", { name: "Contact" }).click();
  await page.getByRole("dialog").getByRole("button", { name: /Bea Curlew|\+49/ }).first().click();
  await expect(bea.page.getByRole("log").getByRole("link", { name: bea.number })).toBeVisible();

  await page.getByRole("button", { name: "Chat options" }).click();
  await page.getByRole("menuitem", { name: "Colours and wallpaper" }).click();
  await page.screenshot({ path: info.outputPath("colours.png") });
  await page.getByRole("radio", { name: /My bubbles.*Heather|Heather/ }).first().click();
  await page.getByRole("radio", { name: "Lagoon" }).click();
  await page.keyboard.press("Escape");
  await page.screenshot({ path: info.outputPath("kinds.png") });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setViewportSize(SCREENS.phone);
  await page.screenshot({ path: info.outputPath("kinds-phone.png") });
  await expect(page.locator(".conversation")).toHaveAttribute("data-wallpaper", "lagoon");
  await Person.leaveAll(ada, bea);
});

test("who is mentioned is called; a file for which there is no room stays at hand", async ({ browser, server }, info) => {
  test.setTimeout(120_000);
  const [ada, bea] = await Person.registerAll(browser, server, ["Ada Sandpiper", "Bea Curlew"], { viewport: SCREENS.desktop });
  const { page } = ada;
  await ada.writeTo(bea);
  await ada.send("hello");
  await bea.open("Ada Sandpiper");
  await bea.send("hello too");
  await ada.sees("hello too");
  await ada.found("Saturday count", [bea]);
  await ada.composer().pressSequentially("who knows, @Be");
  await expect(page.getByRole("option", { name: "Bea Curlew" })).toBeVisible();
  await page.screenshot({ path: info.outputPath("mention.png") });
  await page.keyboard.press("Enter");
  await ada.composer().pressSequentially("?");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await expect(bea.page.getByRole("img", { name: "You were mentioned" })).toBeVisible();
  await bea.open("Saturday count");
  await expect(bea.page.getByRole("log").getByRole("link", { name: "@Bea Curlew" })).toBeVisible();

  await ada.fillBrowser(true);
  const chosen = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Attach" }).click();
  await page.getByRole("menuitem", { name: "Document" }).click();
  await (await chosen).setFiles({ name: "counts.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(20_000_000, 7) });
  await page.getByRole("button", { name: "Send 1 file" }).click();
  await expect(page.getByText("This browser's storage is full")).toBeVisible();
  await page.screenshot({ path: info.outputPath("full.png") });
  await ada.fillBrowser(false);
  await page.getByRole("button", { name: "Send 1 file" }).click();
  await expect(bea.page.getByRole("log").getByText("counts.bin")).toBeVisible();
  await Person.leaveAll(ada, bea);
});

function sizeOf(message) {
  return message.evaluate((element) => parseFloat(getComputedStyle(element).fontSize));
}
