// Open conversations: the web app beside converse.js, a client that others wrote.
import { expect, test } from "./server.js";
import { Person as Stranger } from "./converse.js";
import { Person } from "./people.js";

test("somebody with another XMPP client takes part in an open group, which says that it is one", async ({ browser, server }) => {
  test.setTimeout(90_000);
  const ada = await Person.register(browser, server, "Ada Sandpiper");
  const account = server.account();
  const sam = await Stranger.arrive(browser, server, account);
  const { page } = ada;

  // Who has no keys is told of, and nothing becomes open by itself.
  await page.getByRole("button", { name: "New chat" }).first().click();
  await page.getByText("New group", { exact: true }).click();
  await page.getByLabel("Group name").fill("Allotment");
  await page.getByLabel("Add by phone number").fill(account.number);
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.getByText(/^No keys here: /)).toBeVisible();
  await page.getByRole("switch", { name: "Open group" }).click();
  await page.getByRole("button", { name: "Create group" }).click();
  await expect(ada.composer()).toHaveAttribute("placeholder", "Message, not encrypted");
  await expect(page.getByRole("note")).toContainText("Not encrypted.");
  await expect(page.getByRole("navigation", { name: "Conversations" }).getByRole("img", { name: "Not encrypted" })).toBeVisible();

  const chat = new URL(page.url()).hash.split("/")[2];
  await sam.join(`${chat}@groups.localhost`, "Sam");
  await ada.send("who waters this week?");
  await expect(sam.texts()).toContainText(["who waters this week?"]);
  await sam.say("I do, until Thursday");
  await ada.sees("I do, until Thursday");
  await expect(page.getByRole("log").getByText("Sam", { exact: true })).toBeVisible();
  await ada.react("I do, until Thursday", "👍");

  // Between two it is an open conversation of its own.
  await page.getByRole("button", { name: "New chat" }).first().click();
  await page.getByLabel("Phone number").fill(account.number);
  await page.getByRole("button", { name: "Write a message" }).click();
  await expect(page.getByRole("note")).toContainText("Not encrypted.");
  await ada.send("shall I bring the hose?");
  await sam.page.evaluate((jid) => window.chat.chats.open(jid, {}, true), await writesTo(sam));
  await expect(sam.texts()).toContainText(["shall I bring the hose?"]);
  await sam.say("please do");
  await ada.sees("please do");
  const picture = server.ffmpeg("beds.jpg", "-f", "lavfi", "-i", "testsrc=size=320x240:duration=1", "-frames:v", "1");
  await ada.sendFile(picture, "our beds");
  await expect(sam.texts()).toContainText(["our beds"]);
  const shown = () => page.getByRole("log").locator("img.whole").first().evaluate((image) => image.naturalWidth);
  await expect.poll(shown).toBe(320);
  await page.reload();
  await ada.sees("shall I bring the hose?");
  await ada.sees("please do");
  expect(ada.said, "the console is quiet").toEqual([]);
  await Promise.all([ada.leave(), sam.leave()]);
});

/// Who has begun a chat of two with somebody.
async function writesTo({ page }) {
  const asked = () => page.evaluate(async () => (await window.chat.chats.get()).map((chat) => chat.get("jid")));
  const someone = expect.stringMatching(/^[0-9a-z]{12}@localhost$/);
  await expect.poll(asked).toContainEqual(someone);
  return (await asked()).find((jid) => someone.asymmetricMatch(jid));
}
