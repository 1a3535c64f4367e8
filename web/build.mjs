// Builds web/dist: hashed modules and styles, a .br beside each, and manifest.json that names them.
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { build } from "esbuild";
import { browser } from "./bundle.mjs";

/** What a patient's page may load before the call is usable, compressed. */
const BUDGET = 60 * 1024;

const root = new URL(".", import.meta.url).pathname;
const out = `${root}dist`;
await mkdir(out, { recursive: true });

const common = {
  ...browser,
  absWorkingDir: root,
  outdir: "dist",
  entryNames: "[name]-[hash]",
  minify: true,
  sourcemap: "external",
  metafile: true,
  write: false,
};

/** CometChat's SDKs have a licence of their own: they are in a build that asks for them, and in no other. */
const withCometChat = process.env.BEDSIDE_COMETCHAT === "1";

/** Workers are scripts of their own, and the modules that start them know their names. */
const workers = await build({ ...common, entryPoints: { redundancy: "src/peer/redundancy.worker.ts" }, format: "iife" });
const define = { REDUNDANCY_WORKER: JSON.stringify(`./${nameOf(workers)}`) };

/** Module and style entries are apart, so that no two pages share a chunk they would wait for. */
const results = await Promise.all([
  build({ ...common, define, entryPoints: ["src/visit.ts"], splitting: true, chunkNames: "[name]-[hash]" }),
  build({ ...common, entryPoints: ["src/site.ts"] }),
  build({ ...common, entryPoints: { site: "src/styles/site.css" }, inject: [] }),
  workers,
  ...(withCometChat ? [build({ ...common, entryPoints: { cometchat: "cometchat/main.ts" }, sourcemap: false, inject: [] })] : []),
]);

function nameOf({ metafile }) {
  return basename(Object.keys(metafile.outputs).find((path) => path.endsWith(".js")));
}

/** Unchanged files are not written again, so that programs that embed them are not rebuilt. */
const kept = new Set();
async function keep(name, contents) {
  kept.add(name);
  const before = await readFile(`${out}/${name}`).catch(() => null);
  if (before === null || !before.equals(Buffer.from(contents))) await writeFile(`${out}/${name}`, contents);
}

for (const { outputFiles } of results) {
  for (const { path, contents } of outputFiles) await keep(basename(path), contents);
}
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
  await keep(`${basename(path)}.br`, small);
  if (manifest[name] !== undefined) throw new Error(`two files are called ${name}`);
  manifest[name] = basename(path);
  sizes[name] = { raw: text.length, brotli: small.length };
  const eager = imports.filter((entry) => entry.kind === "import-statement" && !entry.external);
  if (entryPoint !== undefined && eager.length > 0) {
    throw new Error(`${name} waits for ${eager.map((entry) => entry.path)}: one file must be enough`);
  }
}
await keep("manifest.json", `${JSON.stringify(manifest, null, 2)}\n`);
for (const name of await readdir(out)) if (!kept.has(name)) await rm(`${out}/${name}`, { recursive: true });

console.table(sizes);
const page = ["visit.js", "site.js", "site.css"].reduce((sum, name) => sum + sizes[name].brotli, 0);
console.log(`A patient's page: ${page} bytes of ${BUDGET}.`);
if (page > BUDGET) {
  console.error("The patient's page is over its budget.");
  process.exitCode = 1;
}
