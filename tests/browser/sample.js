// The web app over sample conversations (web/tests/fixture), built once and handed out by the test itself.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test as base } from "./server.js";

const web = resolve(import.meta.dirname, "../../web");
const BUILD_MS_MAX = 60_000;
/// A name that nobody has; browsers take it for a private connection.
export const SAMPLE_URL = "https://sample.test/";

export const test = base.extend({
  sample: [
    async ({}, use) => {
      const folder = mkdtempSync(join(tmpdir(), "whimbrel-sample-"));
      const options = ["build", "-c", "vite.fixture.config.ts", "--outDir", folder, "--logLevel", "error"];
      execFileSync(join(web, "node_modules/.bin/vite"), options, { cwd: web });
      await use(new Sample(folder));
      rmSync(folder, { recursive: true });
    },
    { scope: "worker", timeout: BUILD_MS_MAX },
  ],
});

class Sample {
  constructor(folder) {
    this.folder = folder;
  }

  /// A browser's context in which the app is at its address.
  async context(browser, options) {
    const context = await browser.newContext({ locale: "en", timezoneId: "Europe/Berlin", ...options });
    await context.route(`${SAMPLE_URL}**`, (route) => {
      const { pathname } = new URL(route.request().url());
      return route.fulfill({ path: join(this.folder, pathname === "/" ? "index.html" : pathname) });
    });
    return context;
  }
}
