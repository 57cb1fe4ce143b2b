// People in the web app: found by code and by link, compared, named, blocked and reported.
import { expect, test } from "./server.js";
import { Person } from "./people.js";

test("two people meet by a code, and compare their safety numbers", async ({ browser, server }) => {
  test.slow();
  const [ada, bea] = await Person.registerAll(browser, server, ["Ada Sandpiper", "Bea Curlew"]);
  await bea.go("People");
  await bea.page.getByRole("button", { name: "My code" }).click();
  await ada.go("People");
  await ada.lookAt(bea.page.getByRole("dialog").getByRole("img", { name: "My code" }));
  await ada.page.getByRole("button", { name: "Scan a code" }).click();
  await expect(ada.composer()).toBeVisible();
  await bea.page.getByRole("button", { name: "Close" }).click();
  await ada.send("hello from the hide");
  await bea.chats();
  await bea.open("Ada Sandpiper");
  await bea.send("hello");
  await ada.sees("hello");

  const digits = [];
  for (const [person, other] of [[ada, "Bea Curlew"], [bea, "Ada Sandpiper"]]) {
    await person.info(other);
    await person.page.getByRole("button", { name: "Safety number" }).click();
    await expect(person.page.getByRole("img", { name: "Safety number" })).toBeVisible();
    const spans = person.page.getByRole("dialog").locator(".digits span");
    await expect(spans).toHaveCount(12);
    digits.push((await spans.allTextContents()).join(""));
  }
  expect(digits[0]).toMatch(/^\d{60}$/);
  expect(digits[1]).toBe(digits[0]);
  await ada.lookAt(bea.page.getByRole("img", { name: "Safety number" }));
  await ada.page.getByRole("button", { name: "Scan a code" }).click();
  await expect(ada.page.getByRole("status").filter({ hasText: "Verified" })).toBeVisible();
  await ada.page.getByRole("button", { name: "Close" }).click();
  await ada.page.reload();
  await expect(ada.page.getByRole("heading", { name: "Bea Curlew" }).getByRole("img", { name: "Verified" })).toBeVisible();
  await Person.leaveAll(ada, bea);
});

test("people choose who finds and reaches them, and report what was said", async ({ browser, server }) => {
  test.slow();
  const [ada, bea] = await Person.registerAll(browser, server, ["Ada Sandpiper", "Bea Curlew"]);
  await bea.settings("Profile");
  await bea.page.getByLabel("About").fill("counts waders");
  await bea.page.getByRole("button", { name: "Save" }).click();
  await expect(bea.page.getByRole("button", { name: "Save" })).toBeDisabled();
  await bea.settings("Privacy");
  await bea.page.getByRole("radiogroup", { name: "Last seen and online" }).getByRole("radio", { name: "Everybody" }).click();
  await ada.writeTo(bea);
  await ada.send("a fair word");
  await ada.send("a foul word");
  await bea.chats();
  await bea.open("Ada Sandpiper");
  await bea.send("hello");
  await ada.info("Bea Curlew");
  await expect(ada.page.getByText("counts waders")).toBeVisible();
  await ada.page.getByLabel("Name you gave").fill("Bea from the hide");
  await ada.page.getByRole("button", { name: "Save" }).click();
  await expect(ada.row("Bea from the hide")).toBeVisible();
  await expect(ada.page.getByText("online", { exact: true }).first()).toBeVisible();
  await bea.settings("Privacy");
  await bea.page.getByRole("radiogroup", { name: "Last seen and online" }).getByRole("radio", { name: "Nobody" }).click();
  await expect(ada.page.getByText("online", { exact: true })).toHaveCount(0);

  // Of what was said the operator gets what is chosen, no more.
  await bea.chats();
  await bea.open("Ada Sandpiper");
  await bea.info("Ada Sandpiper");
  await bea.page.getByRole("button", { name: "Report" }).click();
  await bea.page.getByRole("dialog").getByRole("radio", { name: "Abuse" }).click();
  await bea.page.getByRole("checkbox", { name: "a fair word" }).uncheck();
  await expect(bea.page.getByRole("checkbox", { name: "a foul word" })).toBeChecked();
  await bea.page.getByRole("button", { name: "Send report" }).click();
  await expect(bea.page.getByText("The report was sent")).toBeVisible();
  const reports = server.command("account", "reports");
  expect(reports).toContain("a foul word");
  expect(reports).not.toContain("a fair word");

  await bea.page.getByRole("button", { name: "Block", exact: true }).click();
  await bea.page.getByRole("dialog").getByRole("button", { name: "Block", exact: true }).click();
  await expect(bea.page.getByRole("button", { name: "Unblock" })).toBeVisible();
  await ada.open("Bea from the hide");
  await ada.send("do you hear me?");
  await bea.settings("Privacy");
  await bea.page.getByRole("button", { name: "Unblock" }).click();
  await expect(bea.page.getByText("You block nobody")).toBeVisible();
  await ada.send("and now?");
  await bea.chats();
  await bea.open("Ada Sandpiper");
  await bea.sees("and now?");
  await expect(bea.message("do you hear me?")).toHaveCount(0);

  await bea.settings("Privacy");
  await bea.page.getByRole("switch", { name: "Let others find me by my number" }).click();
  const cem = await Person.register(browser, server, "Cem Godwit");
  await cem.page.getByLabel("Phone number").fill(bea.number);
  await cem.page.getByRole("button", { name: "Write a message" }).click();
  await expect(cem.page.getByText(/Nobody here has this number/)).toBeVisible();
  await Person.leaveAll(ada, bea, cem);
});
