// One Chromium, the system's; a server for each worker (server.js).
import { defineConfig } from "@playwright/test";
import { tmpdir } from "node:os";
import { join } from "node:path";

export default defineConfig({
  testDir: ".",
  outputDir: process.env.WHIMBREL_SCREENSHOTS ?? join(tmpdir(), "whimbrel-browser"),
  // A test waits more than it computes.
  workers: 2,
  timeout: 60_000,
  // Three browsers and a server on a busy machine: what passes at the second try is told as flaky.
  retries: 1,
  expect: { timeout: 15_000 },
  reporter: "list",
  use: {
    browserName: "chromium",
    locale: "en",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--autoplay-policy=no-user-gesture-required",
        // A camera and a microphone that are always there, and allowed.
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
      ],
    },
  },
});
