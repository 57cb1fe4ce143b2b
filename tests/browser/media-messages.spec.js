// Photos, films, voices and stickers from one person to another.
import { readFileSync, statSync } from "node:fs";
import { SCREENS, expect, test } from "./server.js";
import { Person } from "./people.js";

test("voices are recorded and play on, stickers are kept and made, the camera takes photos", async ({ browser, server }, info) => {
  test.setTimeout(150_000);
  const [ada, bea] = await Person.registerAll(browser, server, ["Ada Sandpiper", "Bea Curlew"], { viewport: SCREENS.desktop });
  await ada.writeTo(bea);
  await ada.send("listen");
  await bea.open("Ada Sandpiper");

  const { page } = ada;
  for (const seconds of [2, 6]) {
    await page.getByRole("button", { name: "Record a voice message" }).click();
    await expect(page.getByRole("timer")).toHaveText(`0:0${seconds}`);
    await page.getByRole("button", { name: "Send the voice message" }).click();
  }
  const voices = bea.page.getByRole("log").getByRole("slider", { name: "Position" });
  await expect(voices).toHaveCount(2);
  const heights = await bea.page.getByRole("log").locator("svg rect").evaluateAll((bars) => bars.map((bar) => Number(bar.getAttribute("height"))));
  expect(Math.max(...heights), "the waveform has a peak").toBeGreaterThan(20);
  await bea.page.getByRole("button", { name: "Play", exact: true }).first().click();
  await bea.page.getByRole("button", { name: "Speed 1×" }).click();
  await bea.page.getByRole("button", { name: "Speed 1.5×" }).click();
  await bea.page.getByRole("button", { name: "Speed 2×" }).click();
  await expect(bea.page.getByRole("button", { name: "Speed 1×" })).toBeVisible();
  // Elsewhere it plays on, and the next one follows.
  await bea.page.getByRole("link", { name: "People" }).first().click();
  await expect(bea.page.getByRole("region", { name: "Voice message from Ada Sandpiper" })).toBeVisible();
  await bea.page.getByRole("link", { name: "Voice message from Ada Sandpiper" }).click();
  await expect.poll(() => voices.last().inputValue().then(Number)).toBeGreaterThan(0);
  for (const person of [ada, bea]) expect(person.said, `the console of ${person.name} is quiet`).toEqual([]);

  // Stickers: one of the app's own, kept by the other, who makes one from a photo too.
  await page.getByRole("button", { name: "Emoji", exact: true }).click();
  await page.getByRole("tab", { name: "Stickers" }).click();
  await page.getByRole("button", { name: "Tea", exact: true }).click();
  const sticker = bea.page.getByRole("log").getByRole("button", { name: "Sticker", exact: true });
  await expect.poll(() => sticker.locator("img.shown").evaluate((image) => image.naturalWidth)).toBe(512);
  await sticker.click();
  await bea.page.getByRole("button", { name: "Keep this sticker" }).click();
  await bea.page.getByRole("button", { name: "Emoji", exact: true }).click();
  await bea.page.getByRole("tab", { name: "Stickers" }).click();
  const tray = bea.page.getByRole("region", { name: "Stickers" });
  await expect(tray.getByRole("button", { name: "Sticker", exact: true })).toHaveCount(1);
  const photo = server.ffmpeg("sticker.jpg", "-f", "lavfi", "-i", "testsrc=size=900x600", "-frames:v", "1");
  const asked = bea.page.waitForEvent("filechooser");
  await tray.getByRole("button", { name: "Make a sticker from a photo" }).click();
  await (await asked).setFiles(photo);
  await bea.page.getByRole("button", { name: "Apply" }).click();
  await expect(tray.getByRole("button", { name: "Sticker", exact: true })).toHaveCount(2);
  await tray.getByRole("button", { name: "Sticker", exact: true }).first().click();
  const made = page.getByRole("log").getByRole("button", { name: "Sticker", exact: true }).locator("img.shown");
  await expect(made).toHaveCount(2);
  const [width, ...seen] = await made.last().evaluate(seenOf);
  expect(width).toBeGreaterThan(500);
  expect(seen).toEqual([0, 255]);
  await bea.page.screenshot({ path: info.outputPath("stickers.png") });

  // The camera.
  await page.getByRole("button", { name: "Attach" }).click();
  await page.getByRole("menuitem", { name: "Camera" }).click();
  await page.getByRole("button", { name: "Take a photo" }).click();
  await page.getByLabel("Caption").fill("that is me");
  await page.getByRole("button", { name: "Send 1 file" }).click();
  await bea.sees("that is me");
  await Person.leaveAll(ada, bea);
});

/// Of a picture: its width, and how much can be seen of its corner and its middle.
function seenOf(image) {
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const alphaAt = (x, y) => context.getImageData(x, y, 1, 1).data[3];
  return [image.naturalWidth, alphaAt(0, 0), alphaAt(canvas.width / 2, canvas.height / 2)];
}

test("a film is sent, outlasts a crash of server and page, and plays without being fetched whole", async ({ browser, server }, info) => {
  test.setTimeout(150_000);
  const film = server.ffmpeg(
    "film.mp4",
    ...["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=24:duration=60,noise=alls=80:allf=t"],
    ...["-f", "lavfi", "-i", "sine=frequency=440:duration=60"],
    ...["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "7M", "-g", "48", "-pix_fmt", "yuv420p"],
    ...["-c:a", "aac", "-movflags", "+faststart"],
  );
  expect(statSync(film).size).toBeGreaterThan(50_000_000);
  const [ada, bea] = await Person.registerAll(browser, server, ["Ada Sandpiper", "Bea Curlew"], { viewport: SCREENS.desktop });
  await ada.writeTo(bea);
  await ada.send("a film comes");
  await bea.open("Ada Sandpiper");
  await bea.sees("a film comes");

  await ada.chooseFiles([film]);
  await server.kill();
  await ada.page.getByLabel("Caption").fill("the whole tide");
  await ada.page.getByRole("button", { name: "Send 1 file" }).click();
  await expect(ada.page.getByRole("progressbar", { name: "Uploading" })).toBeVisible({ timeout: 60_000 });
  await ada.page.screenshot({ path: info.outputPath("uploading.png") });
  // The tab is gone, and so is what was chosen.
  const address = ada.page.url();
  await ada.page.close();
  await server.restart();
  ada.page = await ada.context.newPage();
  ada.listen();
  await ada.page.goto(address);
  await expect(bea.message("the whole tide")).toBeVisible({ timeout: 60_000 });
  await expect(ada.page.getByRole("progressbar", { name: "Uploading" })).toHaveCount(0);

  const { page } = bea;
  await expect(page.getByRole("button", { name: "Play the film 1:00" })).toBeVisible();
  await count(bea.context);
  await page.getByRole("button", { name: "Play the film 1:00" }).click();
  const video = page.getByRole("dialog").locator("video");
  await expect.poll(() => video.evaluate((video) => video.currentTime)).toBeGreaterThan(0.5);
  expect(await video.evaluate((video) => [video.videoWidth, Math.round(video.duration)])).toEqual([640, 60]);
  await seek(video, 55);
  const fetched = await fetchedBytes(bea.context);
  expect(fetched).toBeGreaterThan(1_000_000);
  expect(fetched, "of 50 MB").toBeLessThan(45_000_000);
  await seek(video, 30);
  await page.screenshot({ path: info.outputPath("film.png") });
  expect(bea.said, "the console is quiet").toEqual([]);
  await ada.leave();
  await bea.leave();
});

/// Goes to a second of a film, and lets it play on.
async function seek(video, to) {
  await video.evaluate((video, to) => (video.currentTime = to), to);
  await expect.poll(() => video.evaluate((video) => video.currentTime)).toBeGreaterThan(to + 0.3);
}

/// Has the service worker count what it fetches.
function count(context) {
  return context.serviceWorkers()[0].evaluate(() => {
    const { fetch } = self;
    self.fetchedBytes = 0;
    self.fetch = async (...asked) => {
      const { body, status, headers } = await fetch(...asked);
      const counted = new TransformStream({
        transform(bytes, controller) {
          self.fetchedBytes += bytes.length;
          controller.enqueue(bytes);
        },
      });
      return new Response(body.pipeThrough(counted), { status, headers });
    };
  });
}

const fetchedBytes = (context) => context.serviceWorkers()[0].evaluate(() => self.fetchedBytes);

test("photos are cropped, drawn on, pasted and dropped; GIFs stand still if they shall; links carry a preview", async ({ browser, server }, info) => {
  test.setTimeout(120_000);
  const [ada, bea] = await Promise.all([
    Person.register(browser, server, "Ada Sandpiper", { viewport: SCREENS.desktop, reducedMotion: "no-preference" }),
    Person.register(browser, server, "Bea Curlew", { viewport: SCREENS.desktop, reducedMotion: "reduce" }),
  ]);
  const { page } = ada;
  await ada.writeTo(bea);
  await ada.send("look");
  await bea.open("Ada Sandpiper");
  const photos = ["red", "blue"].map((colour) => server.ffmpeg(`${colour}.png`, "-f", "lavfi", "-i", `color=${colour}:size=1200x900`, "-frames:v", "1"));
  await ada.chooseFiles(photos);
  await page.getByLabel("Caption").fill("cut and drawn");
  await page.getByRole("button", { name: "Crop" }).click();
  await page.getByRole("button", { name: "Apply" }).click();
  await page.getByRole("button", { name: "Draw" }).click();
  await expect(page.getByRole("button", { name: "Apply" })).toBeVisible();
  const canvas = await page.locator("dialog canvas").boundingBox();
  await page.mouse.move(canvas.x + canvas.width / 4, canvas.y + canvas.height / 2);
  await page.mouse.down();
  await page.mouse.move(canvas.x + canvas.width / 1.5, canvas.y + canvas.height / 2, { steps: 5 });
  await page.mouse.up();
  await page.screenshot({ path: info.outputPath("draw.png") });
  await page.getByRole("button", { name: "Apply" }).click();
  await page.screenshot({ path: info.outputPath("several.png") });
  await page.getByRole("button", { name: "Send 2 files" }).click();
  await bea.sees("cut and drawn");
  const shown = bea.page.getByRole("log").locator("img.shown");
  await expect(shown).toHaveCount(2);
  // As large as it was: what was cut is measured in the photo's own pixels.
  expect(await shown.first().evaluate((image) => image.naturalWidth)).toBeGreaterThan(1100);

  const gif = server.ffmpeg("wave.gif", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=5:duration=1");
  for (const way of ["paste", "drop"]) {
    await page.evaluate(handOver, [way, readFileSync(gif).toString("base64")]);
    await page.getByLabel("Caption").fill(`by ${way}`);
    await page.getByRole("button", { name: "Send 1 file" }).click();
    await bea.sees(`by ${way}`);
  }
  await expect(page.getByRole("log").getByRole("button", { name: "GIF" }).locator("img.shown")).toHaveCount(2);
  await expect(bea.page.getByRole("log").getByRole("button", { name: "GIF" }).locator("canvas")).toHaveCount(2);
  await bea.page.screenshot({ path: info.outputPath("gifs.png") });

  const picture = readFileSync(photos[1]).toString("base64");
  const found = { url: "https://example.org/birds", title: "Birds of the shore", description: "What walks there.", image: { type: "image/png", content: picture } };
  await ada.context.route("**/api/v1/link-previews", (route) => route.fulfill({ json: found }));
  await ada.composer().fill("read https://example.org/birds");
  await expect(page.getByText("Show previews of links?")).toBeVisible();
  await page.screenshot({ path: info.outputPath("link-offer.png") });
  await page.getByRole("button", { name: "Show previews" }).click();
  await expect(page.getByText("Birds of the shore")).toBeVisible();
  await page.screenshot({ path: info.outputPath("link-card.png") });
  await page.getByRole("button", { name: "Send", exact: true }).click();
  const card = bea.page.getByRole("log").getByRole("link", { name: /Birds of the shore/ });
  await expect(card).toHaveAttribute("href", "https://example.org/birds");
  await expect.poll(() => card.locator("img").evaluate((image) => image.naturalWidth)).toBeGreaterThan(100);
  await bea.page.setViewportSize(SCREENS.phone);
  await bea.page.emulateMedia({ colorScheme: "dark" });
  await bea.page.screenshot({ path: info.outputPath("link-phone.png") });
  await Person.leaveAll(ada, bea);
});

/// Pastes a GIF into the text, or drops it on the conversation.
function handOver([way, base64]) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], "wave.gif", { type: "image/gif" }));
  const target = document.querySelector(way === "paste" ? "textarea" : "[role=log]");
  if (way === "paste") target.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  else for (const name of ["dragenter", "dragover", "drop"]) target.dispatchEvent(new DragEvent(name, { dataTransfer: data, bubbles: true, cancelable: true }));
}
