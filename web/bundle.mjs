// How the sources become modules: shared by build.mjs, test.mjs and the dev harness.
import { readFile } from "node:fs/promises";
import { transform } from "esbuild";

/** Element styles are imported as text and adopted as constructed sheets, which a strict policy allows. */
export const styles = {
  name: "styles",
  setup(build) {
    build.onLoad({ filter: /src\/views\/.*\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true });
      return { contents: code, loader: "text" };
    });
    // Inside an element the tokens of the page win, and tokens.css fills in for a page without it.
    build.onLoad({ filter: /src\/styles\/tokens\.css$/, namespace: "file" }, async ({ path, with: attributes }) => {
      const text = await readFile(path, "utf8");
      if (attributes?.type !== "fallback") return { contents: text, loader: "css" };
      const fallback = text
        .replaceAll(/--bs-([\w-]+):\s*([^;]+);/g, "--$1: var(--bs-$1, $2);")
        .replaceAll(":root", ":host");
      const { code } = await transform(fallback, { loader: "css", minify: true });
      return { contents: code, loader: "text" };
    });
  },
};

/** Options for everything that runs in a browser. */
export const browser = {
  bundle: true,
  format: "esm",
  platform: "browser",
  target: ["es2022", "chrome100", "firefox100", "safari15.4"],
  legalComments: "none",
  plugins: [styles],
  inject: [new URL("src/absent.ts", import.meta.url).pathname],
  logLevel: "warning",
};
