// Groups in the web app: founded with all that belongs to them, joined by link and by request, and left.
import { expect, test } from "./server.js";
import { Person } from "./people.js";

test("a group is founded with a face, and its admins look after it", async ({ browser, server }) => {
  test.slow();
  test.setTimeout(90_000);
  const [ada, bea, cem] = await Person.registerAll(browser, server, ["Ada Sandpiper", "Bea Curlew", "Cem Godwit"]);
  const { page } = ada;
  await page.getByRole("button", { name: "New chat" }).first().click();
  await page.getByText("New group", { exact: true }).click();
  await page.getByRole("button", { name: "Group picture" }).click();
  const photo = server.ffmpeg("group.png", "-f", "lavfi", "-i", "testsrc=size=640x400", "-frames:v", "1");
  const chosen = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Choose a photo" }).click();
  await (await chosen).setFiles(photo);
  await page.getByRole("dialog", { name: "Crop" }).getByRole("button", { name: "Apply" }).click();
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await page.getByLabel("Group name").fill("Saturday count");
  await page.getByLabel("Description").fill("Every first Saturday, at the hide");
  const nobody = server.number();
  for (const number of [bea.number, nobody]) {
    await page.getByLabel("Add by phone number").fill(number);
    await page.getByRole("button", { name: "Add", exact: true }).click();
  }
  await page.getByRole("button", { name: "Create group" }).click();
  await expect(page.getByText(`Not here yet: ${nobody}`)).toBeVisible();
  await ada.send("who brings the scope?");
  await bea.open("Saturday count");
  await bea.sees("who brings the scope?");
  const face = bea.row("Saturday count").locator("img").first();
  await expect.poll(() => face.evaluate((image) => image.naturalWidth)).toBe(512);
  await bea.send("I do");
  await ada.sees("I do");

  // Members come, rise and go.
  await ada.info("Saturday count");
  await expect(page.getByText("Every first Saturday, at the hide")).toBeVisible();
  await page.getByRole("button", { name: "Add members" }).click();
  await page.getByLabel("Add by phone number").fill(cem.number);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").getByRole("button", { name: "Add members" }).click();
  await expect(page.getByText("3 members")).toBeVisible();
  await page.getByRole("button", { name: /^Bea Curlew/ }).click();
  await page.getByRole("menuitem", { name: "Make admin" }).click();
  await expect(page.getByRole("button", { name: /^Bea Curlew.*Admin/ })).toBeVisible();
  await bea.info("Saturday count");
  await bea.page.getByRole("button", { name: "Edit" }).click();
  await bea.page.getByLabel("Group name").fill("Sunday count");
  await bea.page.getByRole("button", { name: "Save" }).click();
  await expect(bea.page.getByRole("heading", { name: "Sunday count" })).toBeVisible();
  await bea.page.getByRole("radiogroup", { name: "Who may write" }).getByRole("radio", { name: "Admins" }).click();
  await cem.open("Sunday count", { mayWrite: false });
  await expect(cem.page.getByText("Only admins write here")).toBeVisible();
  await cem.sees("Bea Curlew named the group “Sunday count”");

  await page.getByRole("button", { name: new RegExp(`^(Cem Godwit|.?${"\\" + cem.number})`) }).click();
  await page.getByRole("menuitem", { name: /^Remove/ }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await expect(page.getByText("2 members")).toBeVisible();
  await expect(cem.page.getByText("You are no longer in this group")).toBeVisible();
  await Person.leaveAll(ada, bea, cem);
});

test("a link leads into a group, once an admin agrees, and out of it everybody finds alone", async ({ browser, server }) => {
  test.setTimeout(90_000);
  const [ada, bea] = await Person.registerAll(browser, server, ["Ada Sandpiper", "Bea Curlew"]);
  const { page } = ada;
  await ada.found("Saturday count", []);
  await ada.send("welcome");
  await ada.context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await ada.info("Saturday count");
  await page.getByRole("switch", { name: "Admins look at each who wants to join" }).click();
  await page.getByRole("button", { name: "New link" }).click();
  await expect(page.getByRole("img", { name: "Invite by link" })).toBeVisible();
  await page.getByRole("button", { name: "Share" }).click();
  const link = await page.evaluate(() => navigator.clipboard.readText());

  await bea.page.goto(link);
  await bea.page.getByRole("dialog").getByRole("button", { name: "Join", exact: true }).click();
  await expect(bea.page.getByText("An admin will look at your request.")).toBeVisible();
  await expect(page.getByText("Somebody asks to join Saturday count")).toBeVisible();
  await page.getByRole("button", { name: /^Let in/ }).click();
  await bea.chats();
  await bea.open("Saturday count");
  await bea.send("thank you");
  await ada.open("Saturday count");
  await ada.sees("thank you");
  const photo = server.ffmpeg("hide.jpg", "-f", "lavfi", "-i", "testsrc=size=320x240", "-frames:v", "1");
  await ada.sendFile(photo, "from the hide");
  await bea.sees("from the hide");

  await bea.info("Saturday count");
  await bea.page.getByRole("button", { name: "Photos, films and files" }).click();
  await expect(bea.page.getByRole("button", { name: /photo/i })).toHaveCount(1);
  await bea.info("Saturday count");
  await bea.page.getByRole("button", { name: "Leave group" }).click();
  await bea.page.getByRole("dialog").getByRole("button", { name: "Leave group" }).click();
  await expect(bea.page.getByText("You are no longer in this group").first()).toBeVisible();
  await ada.sees("Bea Curlew left");
  await ada.info("Saturday count");
  await page.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await expect(page.getByRole("button", { name: "Revoke" })).toHaveCount(0);
  await bea.page.goto(link);
  await bea.page.getByRole("dialog").getByRole("button", { name: "Join", exact: true }).click();
  await expect(bea.page.getByRole("dialog").getByRole("alert")).toBeVisible();
  await Person.leaveAll(ada, bea);
});
