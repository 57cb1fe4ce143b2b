// The web app on the program that brings it: people who talk, each in a browser of their own.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "./server.js";
import { Person } from "./people.js";

test("the domain answers with the app, which only runs its own scripts", async ({ page, server }) => {
  const answer = await page.goto(server.appUrl);
  expect(answer.headers()["content-security-policy"]).toContain("script-src 'self'");
  await expect(page).toHaveTitle("Whimbrel");
  const deep = await page.goto(`${server.appUrl}/chats/k7qm2xw4p9ab`);
  expect(deep.status()).toBe(200);
});

test("two people talk, through a crash of the server, which never learns what they say", async ({ browser, server }) => {
  const [ada, bea] = await Person.registerAll(browser, server, ["Ada Sandpiper", "Bea Curlew"]);
  await ada.writeTo(bea);
  await ada.send("the tide is out");
  await bea.open("Ada Sandpiper");
  await bea.sees("the tide is out");
  await bea.send("and the mud is warm");
  await ada.sees("and the mud is warm");

  await server.kill();
  await ada.send("written while nobody listened");
  await server.restart();
  await bea.sees("written while nobody listened");
  await bea.page.reload();
  await bea.sees("the tide is out");
  await bea.sees("written while nobody listened");

  const planted = ["the tide is out", "the mud is warm", "nobody listened", "Sandpiper"];
  expect(found(server.folder, planted), "plaintext on the server's disk").toEqual([]);
  // The search is shown to work.
  expect(found(server.folder, [ada.number])).not.toEqual([]);
  await Promise.all([ada.leave(), bea.leave()]);
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

test("a photo reaches the other side, and the server cannot see it", async ({ browser, server }) => {
  const [ada, bea] = await Person.registerAll(browser, server, ["Ada Sandpiper", "Bea Curlew"]);
  await ada.writeTo(bea);
  const photo = server.ffmpeg("photo.jpg", "-f", "lavfi", "-i", "testsrc=size=640x480", "-frames:v", "1");
  await ada.sendFile(photo, "from the hide");
  await bea.open("Ada Sandpiper");
  await bea.sees("from the hide");
  const shown = bea.page.getByRole("log").locator("img").last();
  await expect.poll(() => shown.evaluate((image) => image.naturalWidth)).toBe(640);
  const start = readFileSync(photo).subarray(0, 64);
  const media = join(server.folder, "data/media");
  const files = readdirSync(media, { recursive: true }).map((name) => join(media, name));
  const plain = files.filter((path) => statSync(path).isFile() && readFileSync(path).includes(start));
  expect(plain, "the photo lies open on the server").toEqual([]);
  await Person.leaveAll(ada, bea);
});

/// Which of the words stand in which file.
function found(folder, words) {
  const hits = [];
  for (const name of readdirSync(folder, { recursive: true })) {
    const path = join(folder, name);
    if (!statSync(path, { throwIfNoEntry: false })?.isFile()) continue;
    const bytes = readFileSync(path);
    hits.push(...words.filter((word) => bytes.includes(word)).map((word) => `${name}: ${word}`));
  }
  return hits;
}
