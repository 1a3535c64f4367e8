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
    build({ ...common, entryPoints: { dev: "dev/main.ts", loopback: "dev/loopback.ts" }, sourcemap: "linked" }),
    build({ ...common, entryPoints: { site: "src/styles/site.css" }, inject: [] }),
  ]);
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const asset = /^\/(dev|loopback|site)\.(js|css)(\.map)?$/.test(path);
    const file = asset ? `${out}${path}` : `${root}dev/index.html`;
    const type = file.endsWith(".html") ? "text/html" : file.endsWith(".css") ? "text/css" : "text/javascript";
    response.writeHead(200, { "content-type": `${type}; charset=utf-8`, "content-security-policy": policy });
    const text = await readFile(file, "utf8");
    response.end(path === "/loopback" ? text.replace("/dev.js", "/loopback.js") : text);
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return server;
}

if (import.meta.url === `file://${process.argv[1]}`) {
  const server = await serve(Number(process.argv[2] ?? 8090));
  console.log(`http://localhost:${server.address().port}/scenes`);
}
