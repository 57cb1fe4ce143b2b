import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [svelte()],
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
