// Builds web/dist: hashed modules and styles, a .br beside each, and manifest.json that names them.
import { readFile, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { build } from "esbuild";
import { browser } from "./bundle.mjs";

/** What a patient's page may load before the call is usable, compressed. */
const BUDGET = 60 * 1024;

const root = new URL(".", import.meta.url).pathname;
const out = `${root}dist`;
await rm(out, { recursive: true, force: true });

const common = { ...browser, absWorkingDir: root, outdir: "dist", minify: true, sourcemap: "external", metafile: true };

/** Module and style entries are apart, so that no two pages share a chunk they would wait for. */
const results = await Promise.all([
  build({ ...common, entryPoints: ["src/visit.ts"], splitting: true, entryNames: "[name]-[hash]", chunkNames: "[name]-[hash]" }),
  build({ ...common, entryPoints: ["src/site.ts"], entryNames: "[name]-[hash]" }),
  build({ ...common, entryPoints: { site: "src/styles/site.css" }, inject: [], entryNames: "[name]-[hash]" }),
]);

const outputs = Object.assign({}, ...results.map((result) => result.metafile.outputs));
const manifest = {};
const sizes = {};
for (const [path, { entryPoint, imports }] of Object.entries(outputs)) {
  if (path.endsWith(".map")) continue;
  const name = basename(path).replace(/-[A-Z0-9]{8}(\.\w+)$/, "$1");
  const text = await readFile(`${root}${path}`);
  const small = brotliCompressSync(text, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: text.length },
  });
  await writeFile(`${root}${path}.br`, small);
  if (manifest[name] !== undefined) throw new Error(`two files are called ${name}`);
  manifest[name] = basename(path);
  sizes[name] = { raw: text.length, brotli: small.length };
  const eager = imports.filter((entry) => entry.kind === "import-statement" && !entry.external);
  if (entryPoint !== undefined && eager.length > 0) {
    throw new Error(`${name} waits for ${eager.map((entry) => entry.path)}: one file must be enough`);
  }
}
await writeFile(`${out}/manifest.json`, `${JSON.stringify(manifest, null, 2)}\n`);

console.table(sizes);
const page = ["visit.js", "site.js", "site.css"].reduce((sum, name) => sum + sizes[name].brotli, 0);
console.log(`A patient's page: ${page} bytes of ${BUDGET}.`);
if (page > BUDGET) {
  console.error("The patient's page is over its budget.");
  process.exitCode = 1;
}
