// The web app, as the program brings it.
import { expect, test } from "./server.js";

test("the domain answers with the app, which only runs its own scripts", async ({ page, server }) => {
  const answer = await page.goto(server.appUrl);
  expect(answer.headers()["content-security-policy"]).toContain("script-src 'self'");
  await expect(page).toHaveTitle("Whimbrel");
  const deep = await page.goto(`${server.appUrl}/chats/k7qm2xw4p9ab`);
  expect(deep.status()).toBe(200);
});
