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

/** The service worker, as one script at an address that never changes. */
function serviceWorker(): Plugin {
  return {
    name: "service-worker",
    apply: "build",
    async generateBundle() {
      const made = await build({
        configFile: false,
        logLevel: "warn",
        publicDir: false,
        build: {
          write: false,
          target: "es2023",
          rolldownOptions: {
            input: "src/service-worker/service-worker.ts",
            output: { format: "iife", entryFileNames: "service-worker.js" },
          },
        },
      });
      for (const { output } of [made].flat() as { output: { type: string; code?: string }[] }[]) {
        const source = output.find(({ type }) => type === "chunk")?.code;
        if (source !== undefined) this.emitFile({ type: "asset", fileName: "service-worker.js", source });
      }
    },
  };
}
