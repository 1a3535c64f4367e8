import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { build, type BuildOptions } from "esbuild";

test("the elements can be imported where there is no browser", async () => {
  const root = process.env["BEDSIDE_WEB"] ?? "";
  const { browser } = (await import(`${root}bundle.mjs`)) as { browser: BuildOptions };
  const folder = await mkdtemp(join(tmpdir(), "bedside-"));
  await build({ ...browser, absWorkingDir: root, entryPoints: ["src/visit.ts"], outfile: join(folder, "visit.mjs") });
  const script = join(folder, "import.mjs");
  await writeFile(script, 'const m = await import("./visit.mjs"); console.log(Object.keys(m).sort().join());');
  const { stdout, stderr } = spawnSync(process.execPath, [script], { encoding: "utf8" });
  assert.equal(stdout.trim(), "PatientVideoCall,ProviderVideoCall", stderr);
});
