// Serves the harness under the server's own policy: node dev/serve.mjs [port]
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { build } from "esbuild";
import { browser } from "../bundle.mjs";

const root = new URL("..", import.meta.url).pathname;
const out = `${root}node_modules/.cache/dev`;
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; media-src 'self' blob:; font-src 'self'";

/** Bundles and listens; gives the server. */
export async function serve(port) {
  const common = { ...browser, absWorkingDir: root, outdir: out };
  await Promise.all([
    build({ ...common, entryPoints: { dev: "dev/main.ts" }, sourcemap: "linked", outdir: out }),
    build({ ...common, entryPoints: { site: "src/styles/site.css" }, inject: [] }),
  ]);
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const name = { "/dev.js": "dev.js", "/dev.js.map": "dev.js.map", "/site.css": "site.css" }[path];
    const file = name === undefined ? `${root}dev/index.html` : `${out}/${name}`;
    const type = file.endsWith(".html") ? "text/html" : file.endsWith(".css") ? "text/css" : "text/javascript";
    response.writeHead(200, { "content-type": `${type}; charset=utf-8`, "content-security-policy": policy });
    response.end(await readFile(file));
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return server;
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const server = await serve(Number(process.argv[2] ?? 8090));
  console.log(`http://localhost:${server.address().port}/scenes`);
}
