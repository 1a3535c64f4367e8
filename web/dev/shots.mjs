// Takes pictures of every state: node dev/shots.mjs [folder] [filter] [variant…]
// Variants: wide, phone, dark-wide, dark-phone, rtl, narrow. Also runs axe on each.
import { mkdir, readFile } from "node:fs/promises";
import { chromium } from "playwright-core";
import { serve } from "./serve.mjs";

const [folder = "shots", filter = "", ...chosen] = process.argv.slice(2);
const VARIANTS = {
  wide: { width: 1280, height: 800 },
  phone: { width: 390, height: 844 },
  "dark-wide": { width: 1280, height: 800, dark: true },
  "dark-phone": { width: 390, height: 844, dark: true },
  rtl: { width: 390, height: 844, query: "&dir=rtl&long" },
  narrow: { width: 320, height: 640, query: "&long" },
};
const variants = Object.entries(VARIANTS).filter(([name]) => chosen.length === 0 || chosen.includes(name));

const server = await serve(0);
const origin = `http://localhost:${server.address().port}`;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"],
});
await mkdir(folder, { recursive: true });
const axe = await readFile(new URL(import.meta.resolve("axe-core/axe.min.js")), "utf8");
const faults = [];

for (const [variant, { width, height, dark, query = "" }] of variants) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? "dark" : "light", reducedMotion: "reduce", bypassCSP: false });
  const page = await context.newPage();
  page.on("console", (message) => {
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) faults.push(`${page.url()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`${page.url()}: ${error.stack ?? error}`));
  await page.goto(`${origin}/scenes`);
  const scenes = await page.locator("main a").allTextContents();
  for (const scene of scenes.filter((name) => name.includes(filter))) {
    await page.goto(`${origin}/?scene=${scene}${query}`);
    await page.waitForTimeout(/no-path/.test(scene) ? 10_800 : /dropped|resume|gone/.test(scene) ? 2_400 : 900);
    await page.screenshot({ path: `${folder}/${scene}--${variant}.png` });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (overflow > 0) faults.push(`${scene} ${variant}: ${overflow}px too wide`);
    // Through the debugger, which the policy does not bind.
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
    for (const { id, nodes } of violations) faults.push(`${scene} ${variant}: axe ${id}: ${nodes.map((node) => node.html.slice(0, 140)).join(" | ")}`);
  }
  await context.close();
}
await browser.close();
server.close();
console.log(faults.length === 0 ? "No faults." : faults.join("\n"));
process.exitCode = faults.length === 0 ? 0 : 1;
