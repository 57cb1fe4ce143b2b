// The web app on the program that brings it: people who talk, each in a browser of their own.
import { expect, test } from "./server.js";
import { Person } from "./people.js";

test("the domain answers with the app, which only runs its own scripts", async ({ page, server }) => {
  const answer = await page.goto(server.appUrl);
  expect(answer.headers()["content-security-policy"]).toContain("script-src 'self'");
  await expect(page).toHaveTitle("Whimbrel");
  const deep = await page.goto(`${server.appUrl}/chats/k7qm2xw4p9ab`);
  expect(deep.status()).toBe(200);
});

test("three people in a group react, and take back what they wrote", async ({ browser, server }) => {
  const [ada, bea, cem] = await Person.registerAll(browser, server, ["Ada Sandpiper", "Bea Curlew", "Cem Godwit"]);
  await ada.found("Saturday count", [bea, cem]);
  await ada.send("who brings the scope?");
  for (const other of [bea, cem]) {
    await other.open("Saturday count");
    await other.sees("who brings the scope?");
  }
  await bea.react("who brings the scope?", "👍");
  await expect(ada.page.getByRole("button", { name: "👍, 1 reaction" })).toBeVisible();

  await cem.send("me, of corse");
  await ada.sees("me, of corse");
  await cem.deleteForEveryone("me, of corse");
  await expect(ada.page.getByRole("log").getByText("This message was deleted")).toBeVisible();
  await expect(ada.message("me, of corse")).toHaveCount(0);

  await Person.leaveAll(ada, bea, cem);
});
