// Drives the call code against real WebRTC in Chromium, with a server inside the page.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { serve } from "./serve.mjs";

const server = await serve(0);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--use-fake-device-for-media-stream"],
});
const context = await browser.newContext({ permissions: ["camera", "microphone"], viewport: { width: 1000, height: 700 } });
const page = await context.newPage();
const errors = [];
page.on("pageerror", (error) => errors.push(String(error.stack ?? error)));
page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
// Polled through the debugger: the page's policy forbids the eval that waitForFunction uses.
const until = async (what, check) => {
  for (const end = Date.now() + 20_000; !(await page.evaluate(check)); await page.waitForTimeout(20)) {
    if (Date.now() > end) throw new Error(`not within 20 s: ${what}`);
  }
  console.log(`ok: ${what}`);
};
const host = "document.querySelector('patient-video-call')";
const stat = (type, kind) => page.evaluate(async ([t, k]) => [...(await document.querySelector("patient-video-call").stats()).values()].find((s) => s.type === t && s.kind === k), [type, kind]);

try {
  await page.goto(`http://localhost:${server.address().port}/loopback`);
  await until("in the waiting room", `${host}?.dataset.stage === "waiting"`);
  await until("media is up while waiting", `seen.server?.connectionState === "connected"`);
  const offer = await page.evaluate("seen.offers[0].sdp");
  const sections = offer.split("\r\nm=").slice(1);
  assert.deepEqual(sections.map((s) => [s.split(" ")[0], /a=(send|recv)only/.exec(s)[0]]), [["audio", "a=sendonly"], ["video", "a=sendonly"], ["audio", "a=recvonly"], ["video", "a=recvonly"]]);
  assert.equal((offer.match(/a=group:BUNDLE (.*)/)?.[1] ?? "").trim(), "0 1 2 3");
  const first = (section) => { const pt = section.split("\r\n")[0].split(" ")[3]; return new RegExp(`a=rtpmap:${pt} (\\S+)`).exec(section)[1]; };
  assert.match(first(sections[0]), /^red\/48000/);
  assert.match(first(sections[1]), /^VP8\//);
  console.log("ok: the offer's sections, bundle and codecs");

  const began = Date.now();
  await page.evaluate("seen.socket.start()");
  await until("the other person is seen", `${host}.shadowRoot.querySelector("video.remote").videoWidth > 2 && !${host}.shadowRoot.querySelector("video.remote").paused`);
  console.log(`   ${Date.now() - began} ms from the start`);

  const button = (name) => page.getByRole("button", { name, exact: true });
  await button("Stop camera").click();
  await page.waitForTimeout(600);
  const before = (await stat("outbound-rtp", "video")).framesSent;
  await page.waitForTimeout(700);
  assert.equal((await stat("outbound-rtp", "video")).framesSent, before);
  await button("Start camera").click();
  await page.waitForTimeout(1_500);
  assert.ok((await stat("outbound-rtp", "video")).framesSent > before);
  console.log("ok: a camera that is off is not sent, and comes back");

  await page.evaluate("seen.socket.onclose({ code: 1006, reason: '' })");
  await until("signalling comes back", `${host}.dataset.transport === "open" && seen.offers.length === 1`);

  await page.evaluate("seen.server.close()");
  await until("a dead path is found and restarted or renewed", `seen.offers.length > 1`);
  await until("and carries again", `seen.server.connectionState === "connected" && ${host}.shadowRoot.querySelector("video.remote").videoWidth > 2`);
  console.log(`   offers: ${await page.evaluate("JSON.stringify(seen.offers.map((o) => [o.peer === seen.offers[0].peer ? 'same' : 'fresh', o.restart]))")}`);
  await button("Leave").click();
  assert.deepEqual(errors, []);
  console.log("ok: no errors on the page");
} finally {
  if (errors.length > 0) console.log(errors.join("\n"));
  await browser.close();
  server.close();
}
