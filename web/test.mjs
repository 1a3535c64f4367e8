// Bundles every *.test.ts on its own and runs them with Node's test runner.
import { spawn } from "node:child_process";
import { glob } from "./files.mjs";
import { rm } from "node:fs/promises";
import { build } from "esbuild";
import { styles } from "./bundle.mjs";

const root = new URL(".", import.meta.url).pathname;
const out = `${root}node_modules/.cache/tests`;
await rm(out, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: await glob(`${root}src`, /\.test\.ts$/),
  outdir: out,
  outbase: "src",
  outExtension: { ".js": ".mjs" },
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  external: ["esbuild"],
  sourcemap: "inline",
  plugins: [styles],
  logLevel: "warning",
});
const files = await glob(out, /\.test\.mjs$/);
const runner = spawn(process.execPath, ["--enable-source-maps", "--test", ...process.argv.slice(2), ...files], {
  stdio: "inherit",
  env: { ...process.env, BEDSIDE_WEB: root },
});
runner.on("exit", (code) => process.exit(code ?? 1));
