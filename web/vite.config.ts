import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { build, type Plugin } from "vite";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [svelte(), serviceWorker()],
  // The server has the file names' digests in them for its "immutable".
  build: { target: "es2023", assetsInlineLimit: 0, sourcemap: false },
  worker: { format: "es" },
  test: {
    include: ["src/**/*.test.ts", "tests/**/*.test.ts"],
    environment: "node",
    // Those with a real server share the machine with all others.
    testTimeout: 20_000,
    retry: 1,
    // Of two processors one alone would be used.
    maxWorkers: 2,
    // Node.js 20 has WebSocket behind a flag.
    execArgv: ["--experimental-websocket"],
  },
  // While the app is worked on: a server that runs beside it.
  server: {
    proxy: {
      "/api": "http://localhost:8080",
      "/media": "http://localhost:8080",
      "/upload": "http://localhost:8080",
      "/xmpp-websocket": { target: "ws://localhost:8080", ws: true },
    },
  },
});

/** The service worker, as one script at an address that never changes. It knows all files of its version. */
function serviceWorker(): Plugin {
  return {
    name: "service-worker",
    apply: "build",
    enforce: "post",
    generateBundle: {
      order: "post",
      async handler(_options, bundle) {
        const page = bundle["index.html"];
        if (page?.type !== "asset") throw new Error("there is no page");
        const paths = [...Object.keys(bundle).filter((name) => name !== "index.html" && !isSeldomUsed(name)), ...publicFiles()].map((name) => `/${name}`).sort();
        const files = { paths, page: digestOf(page.source) };
        const source = await builtWorker(files);
        this.emitFile({ type: "asset", fileName: "service-worker.js", source });
      },
    },
  };
}

const LEFT_OUT = ["@serenity-kit/opaque", "tus-js-client", "hash-wasm", "@noble/curves/ed448.js", "@noble/curves/nist.js", "@noble/ciphers/chacha.js"];
const inServiceWorker = {
  ...Object.fromEntries(LEFT_OUT.map((name) => [name, "/src/service-worker/left-out.ts"])),
  linkifyjs: "/src/service-worker/no-links.ts",
};

async function builtWorker(files: { paths: string[]; page: string }): Promise<string> {
  const made = await build({
    configFile: false,
    logLevel: "warn",
    publicDir: false,
    resolve: { alias: inServiceWorker },
    define: { SHELL_FILES: JSON.stringify(files), SHELL_VERSION: JSON.stringify(digestOf(JSON.stringify(files)).slice(0, 16)) },
    build: {
      write: false,
      target: "es2023",
      modulePreload: false,
      rolldownOptions: {
        // Nothing is loaded by its address.
        transform: { define: { "import.meta": "{}" } },
        input: "src/service-worker/service-worker.ts",
        // In a service worker nothing can be fetched later: all is in one script.
        output: { format: "iife", entryFileNames: "service-worker.js", codeSplitting: false },
      },
    },
  });
  for (const { output } of [made].flat() as { output: { type: string; code?: string }[] }[]) {
    const source = output.find(({ type }) => type === "chunk")?.code;
    if (source !== undefined) return source;
  }
  throw new Error("there is no service worker");
}

/** Emoji in one language or another: half a megabyte each. */
function isSeldomUsed(name: string): boolean {
  return name.endsWith(".json");
}

/** Copied as they are; pictures for the installing browser are not kept. */
function publicFiles(): string[] {
  const names = readdirSync("public", { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  return names.map((file) => relative("public", join(file.parentPath, file.name))).filter((name) => !name.startsWith("screens/"));
}

function digestOf(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
