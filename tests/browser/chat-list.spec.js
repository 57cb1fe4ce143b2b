// The list of chats: what stands in a row, what its menu does, finding and sorting out.
import { expect, test } from "./server.js";
import { Person } from "./people.js";

test("a row tells what is new, and is pinned, muted, archived and found", async ({ browser, server }) => {
  const [ada, bea, cem] = await Promise.all([
    Person.register(browser, server, "Ada Sandpiper"),
    Person.register(browser, server, "Bea Curlew", { hasTouch: true }),
    Person.register(browser, server, "Cem Godwit"),
  ]);
  await cem.writeTo(bea);
  await cem.send("when?");
  await bea.open("Cem Godwit");
  await bea.send("high tide is at nine");
  await cem.sees("high tide is at nine");
  await bea.shows("Cem Godwit", "Read");
  await ada.writeTo(bea);
  await ada.send("the tide is out");
  await ada.send("and the mud is warm");
  const row = bea.row("Ada Sandpiper");
  await expect(row).toContainText("and the mud is warm");
  await expect(row.getByRole("img", { name: "2 unread messages" })).toBeVisible();
  await ada.composer().pressSequentially("so");
  await expect(row).toContainText("typing…");
  await ada.composer().fill("");
  await expect(row).toContainText("and the mud is warm");

  await bea.page.getByRole("group", { name: "Show" }).getByRole("button", { name: "Unread" }).click();
  await expect(bea.rows()).toHaveText([/Ada Sandpiper/]);
  await bea.chooseOf("Ada Sandpiper", "Mark as read");
  await expect(bea.page.getByText("All read")).toBeVisible();
  await bea.page.getByRole("button", { name: "Groups" }).click();
  await expect(bea.page.getByText("No groups yet")).toBeVisible();
  await bea.page.getByRole("button", { name: "All", exact: true }).click();
  // Whom she has not heard yet is known by the number.
  await ada.shows(bea.number, "Read");

  await bea.chooseOf("Cem Godwit", "Pin to the top");
  await expect(bea.rows().first()).toContainText("Cem Godwit");
  await expect(bea.row("Cem Godwit").getByRole("img", { name: "Pinned" })).toBeVisible();
  // By a finger, too.
  await bea.press("Cem Godwit");
  await bea.page.getByRole("menuitem", { name: "Unpin" }).tap();
  await expect(bea.rows().first()).toContainText("Ada Sandpiper");
  await bea.chooseOf("Ada Sandpiper", "Mark as unread");
  await expect(row.getByRole("img", { name: "Marked as unread" })).toBeVisible();
  await bea.chooseOf("Ada Sandpiper", "Mute");
  await bea.page.getByRole("button", { name: "For 8 hours" }).click();
  await expect(row.getByRole("img", { name: "Muted" })).toBeVisible();
  await bea.chooseOf("Ada Sandpiper", "Archive");
  await expect(row).toHaveCount(0);
  await bea.page.getByRole("link", { name: "1 archived chat" }).click();
  await expect(row).toBeVisible();
  await bea.chooseOf("Ada Sandpiper", "Take out of the archive");
  await bea.page.getByRole("button", { name: "Back" }).click();
  await expect(row).toBeVisible();

  // What is not sent yet waits in the row, through a reload, and what was said is found anywhere.
  await bea.open("Cem Godwit");
  await bea.composer().fill("and low tide");
  await bea.open("Ada Sandpiper");
  await expect(bea.row("Cem Godwit")).toContainText("Draft: and low tide");
  await bea.page.reload();
  await expect(bea.row("Cem Godwit")).toContainText("Draft: and low tide");
  await bea.page.getByRole("searchbox", { name: "Search chats and messages" }).fill("tide");
  await expect(bea.rows()).toHaveText([/Ada Sandpiper.*the tide is out/, /Cem Godwit.*high tide is at nine/]);
  await bea.rows().filter({ hasText: "the tide is out" }).click();
  await bea.sees("the tide is out");
  await bea.page.getByRole("searchbox", { name: "Search chats and messages" }).fill("godwit");
  await expect(bea.rows()).toHaveText([/Cem Godwit/]);
  await Person.leaveAll(ada, bea, cem);
});

test("marks of a chat are the same on two devices of a person", async ({ browser, server }) => {
  const [ada, bea] = await Person.registerAll(browser, server, ["Ada Sandpiper", "Bea Curlew"]);
  const other = await ada.link();
  await ada.writeTo(bea);
  await ada.send("the tide is out");
  await bea.open("Ada Sandpiper");
  await bea.send("coming");
  await expect(other.row("Bea Curlew")).toContainText("coming");
  await ada.chooseOf("Bea Curlew", "Pin to the top");
  await expect(other.row("Bea Curlew").getByRole("img", { name: "Pinned" })).toBeVisible();
  await ada.composer().fill("bring the sc");
  await expect(other.row("Bea Curlew")).toContainText("Draft: bring the sc");
  await other.chooseOf("Bea Curlew", "Archive");
  await expect(ada.row("Bea Curlew")).toHaveCount(0);
  await Person.leaveAll(ada, other, bea);
});
