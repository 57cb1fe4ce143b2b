// A real film and a real photo: put in by a tus client in the page, played, seeked, shown.
import { createRequire } from "node:module";
import { statSync } from "node:fs";
import { SCREENS, expect, test } from "./server.js";

const tusClient = createRequire(import.meta.url).resolve("tus-js-client/dist/tus.min.js");
const FILM_S = 24;

test.use({ viewport: SCREENS.desktop });

test("a film is put in, plays, and is seeked", async ({ page, server }, info) => {
  const film = server.ffmpeg(
    "film.mp4",
    ...["-f", "lavfi", "-i", `testsrc2=size=1280x720:rate=30:duration=${FILM_S}`],
    ...["-f", "lavfi", "-i", `sine=frequency=440:duration=${FILM_S}`],
    ...["-c:v", "libx264", "-preset", "ultrafast", "-crf", "28", "-pix_fmt", "yuv420p"],
    ...["-c:a", "aac", "-movflags", "+faststart"],
  );
  expect(statSync(film).size).toBeGreaterThan(4_000_000);
  const path = await upload(page, server, film, "video/mp4");

  const answers = [];
  page.on("response", (answer) => {
    if (answer.url().endsWith(path)) answers.push(answer);
  });
  await show(page, path);
  const video = page.locator("video");
  await expect.poll(() => video.evaluate((video) => video.readyState)).toBeGreaterThanOrEqual(2);
  expect(await video.evaluate((video) => video.duration)).toBeCloseTo(FILM_S, 0);

  await video.evaluate((video) => video.play());
  await expect.poll(() => video.evaluate((video) => video.currentTime)).toBeGreaterThan(0.5);
  for (const to of [FILM_S / 2, FILM_S - 1, 1]) {
    const at = await video.evaluate(
      (video, to) =>
        new Promise((resolve, reject) => {
          video.onerror = () => reject(new Error(video.error.message));
          video.onseeked = () => resolve(video.currentTime);
          video.currentTime = to;
        }),
      to,
    );
    expect(Math.abs(at - to)).toBeLessThan(1.5);
    await expect.poll(() => video.evaluate((video) => video.currentTime)).toBeGreaterThan(at);
  }
  const frames = await video.evaluate((video) => video.getVideoPlaybackQuality().totalVideoFrames);
  expect(frames).toBeGreaterThan(0);
  await page.screenshot({ path: info.outputPath("film.png"), fullPage: true });

  const parts = answers.filter((answer) => answer.request().method() === "GET");
  expect(parts.length).toBeGreaterThan(0);
  for (const part of parts) {
    expect(part.status()).toBe(206);
    expect(part.headers()["content-range"]).toMatch(/^bytes \d+-\d+\/\d+$/);
    expect(part.headers()["content-type"]).toBe("video/mp4");
  }
  // The seeks went elsewhere than to the beginning.
  expect(parts.some((part) => !part.headers()["content-range"].startsWith("bytes 0-"))).toBe(true);
});

test("a photo is put in and shown", async ({ page, server }, info) => {
  const photo = server.ffmpeg(
    "photo.jpg",
    ...["-f", "lavfi", "-i", "mandelbrot=size=2048x1536:rate=1", "-frames:v", "1", "-q:v", "2"],
  );
  const path = await upload(page, server, photo, "image/jpeg");
  await show(page, path);
  const image = page.getByRole("img", { name: "The photo at this address" });
  await expect(image).toBeVisible();
  await expect.poll(() => image.evaluate((image) => image.naturalWidth)).toBe(2048);
  await page.screenshot({ path: info.outputPath("photo.png"), fullPage: true });

  const answer = await page.request.get(server.url + path);
  expect((await answer.body()).length).toBe(statSync(photo).size);
  expect(answer.headers()["cache-control"]).toBe("public, immutable, max-age=31536000");
  expect(answer.headers()["content-security-policy"]).toContain("sandbox");
});

/// Has tus-js-client in the page put a file in; gives the object's path.
async function upload(page, server, file, type) {
  await page.goto(server.url);
  await page.addScriptTag({ path: tusClient });
  await page.evaluate(() => {
    const input = Object.assign(document.createElement("input"), { type: "file", id: "file" });
    document.body.append(input);
  });
  await page.locator("#file").setInputFiles(file);
  const location = await page.evaluate(
    ([token, type]) =>
      new Promise((resolve, reject) => {
        const file = document.getElementById("file").files[0];
        const upload = new window.tus.Upload(file, {
          endpoint: "/upload/",
          chunkSize: 1_000_000,
          headers: { Authorization: `Bearer ${token}` },
          metadata: { filename: file.name, filetype: type },
          onError: reject,
          onSuccess: ({ lastResponse }) => resolve(lastResponse.getHeader("Content-Location")),
        });
        upload.start();
      }),
    [server.token(), type],
  );
  expect(location).toMatch(/^\/media\/[0-9a-f]{64}$/);
  return location;
}

/// Pastes the address into the page, as a person does.
async function show(page, path) {
  await page.goto("about:blank");
  await page.goBack();
  await page.getByLabel("Address of a photo or film").fill(path);
  await page.getByRole("button", { name: "Show" }).click();
}
