// The page with sample conversations, built to be looked at: `vite build -c vite.fixture.config.ts`.
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [svelte()],
  root: "tests/fixture",
  base: "./",
  build: { target: "es2023", assetsInlineLimit: 0, emptyOutDir: true, chunkSizeWarningLimit: 2000 },
});
