import assert from "node:assert/strict";
import { test } from "node:test";

import { signallingUrl } from "../api/appointment.ts";
import { local, relative } from "../site/times.ts";
import { aCompanion } from "../testing/views.ts";
import { browserOf } from "./browser.ts";
import { comings } from "./company.ts";
import { elapsed, initials, spell } from "./time.ts";

test("durations read as people say them", () => {
  assert.equal(elapsed(0), "0:00");
  assert.equal(elapsed(65_000), "1:05");
  assert.equal(elapsed(3_665_000), "1:01:05");
  assert.equal(elapsed(-5), "0:00");
  assert.equal(spell(30_000), "less than a minute");
  assert.equal(spell(60_000), "1 minute");
  assert.equal(spell(59 * 60_000), "59 minutes");
  assert.equal(spell(125 * 60_000), "2 hours");
});

test("initials leave titles out", () => {
  assert.equal(initials("Dr. Amara Okafor"), "AO");
  assert.equal(initials("Prof. Dr. Li"), "L");
  assert.equal(initials("李 小龙"), "李小");
  assert.equal(initials(""), "");
});

test("a time names its zone only where the clinic's is another", () => {
  const date = new Date("2026-06-01T15:00:00Z");
  const plain = local(date, "Europe/Oslo", "en-GB", "Europe/Stockholm");
  assert.equal(plain, "17:00");
  assert.match(local(date, "America/New_York", "en-GB", "Europe/Oslo"), /^17:00 .*Central European/);
  assert.equal(relative(new Date(12 * 60_000), 0, "en"), "in 12 minutes");
  assert.equal(relative(new Date(0), 0, "en"), "now");
});

test("the WebSocket is where the API said, for who is said", () => {
  assert.equal(signallingUrl("", "https://a.example/x?y", "/s", "u 1"), "wss://a.example/s?as=u+1");
  assert.equal(signallingUrl("http://b.example:8080", "https://a.example/", "/s", "u"), "ws://b.example:8080/s?as=u");
  // The query of the server's URL is kept.
  assert.equal(signallingUrl("", "https://a.example/x", "/s?journey=1-2", "u"), "wss://a.example/s?journey=1-2&as=u");
});

test("browsers are told apart by their settings", () => {
  const ua = {
    "in-app": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Instagram 350.0",
    "safari-phone": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1",
    "safari-mac": "Mozilla/5.0 (Macintosh) Version/18.0 Safari/605.1",
    "chrome-phone": "Mozilla/5.0 (Linux; Android 14) Chrome/130.0 Mobile Safari/537.36",
    samsung: "Mozilla/5.0 (Linux; Android 14) SamsungBrowser/25 Chrome/121 Mobile Safari/537.36",
    firefox: "Mozilla/5.0 (X11) Gecko/20100101 Firefox/140.0",
    edge: "Mozilla/5.0 (Windows) Chrome/130 Safari/537.36 Edg/130",
    chrome: "Mozilla/5.0 (Windows) Chrome/130 Safari/537.36",
    other: "curl",
  };
  for (const [name, text] of Object.entries(ua)) assert.equal(browserOf(text), name);
});

test("joining and leaving is announced with the role, and that an observer watches", () => {
  const ines = aCompanion("i", "interpreter", { name: "Ines" });
  const oscar = aCompanion("o", "observer", { name: "Oscar" });
  assert.equal(comings([], [ines, oscar]), "Ines (interpreter) has joined. Oscar (observer) has joined: sees and hears you.");
  assert.equal(comings([ines, oscar], [oscar]), "Ines (interpreter) has left.");
  assert.equal(comings([ines], [{ ...ines, presence: { name: "away", since: 1 } }]), "");
});
