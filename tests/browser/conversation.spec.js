// What two people do with messages, and see of it on both sides.
import { SCREENS, expect, test } from "./server.js";
import { Person } from "./people.js";

test("messages are formatted, answered, changed, forwarded, kept and taken back", async ({ browser, server }) => {
  test.setTimeout(120_000);
  const ada = await Person.register(browser, server, "Ada Sandpiper", { viewport: SCREENS.desktop });
  const bea = await Person.register(browser, server, "Bea Curlew", { viewport: SCREENS.desktop });
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

  for (const text of ["🐦", "🐦🐦", "🐦🐦🐦", "🐦🐦🐦🐦"]) await ada.send(text);
  await bea.sees("🐦🐦🐦🐦");
  const sizes = await Promise.all(["🐦", "🐦🐦", "🐦🐦🐦", "🐦🐦🐦🐦"].map((text) => sizeOf(bea.message(text))));
  expect(sizes[0]).toBeGreaterThan(sizes[1]);
  expect(sizes[1]).toBeGreaterThan(sizes[2]);
  expect(sizes[2]).toBeGreaterThan(sizes[3] * 1.5);

  // A quote leads to what is not loaded any more.
  await bea.choose("the first thing ever said", "Reply");
  await bea.send("I remember");
  await ada.sees("I remember");
  for (let count = 0; count < 75; count++) await ada.send(`number ${count}`);
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
  for (const person of [ada, bea]) {
    expect(person.said, `the console of ${person.name} is quiet`).toEqual([]);
    await person.leave();
  }
});

function sizeOf(message) {
  return message.evaluate((element) => parseFloat(getComputedStyle(element).fontSize));
}
