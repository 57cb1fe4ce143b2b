// One script that fills the app's store: see fill.ts.
export default {
  configFile: false,
  publicDir: false,
  build: { target: "es2023", emptyOutDir: true, lib: { entry: "bench/fill.ts", formats: ["iife"], name: "bench", fileName: () => "fill.js" } },
};
