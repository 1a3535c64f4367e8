import assert from "node:assert/strict";
import { test } from "node:test";

import { day, local, relative } from "./times.ts";

const AT = new Date("2026-11-23T14:05:00Z");

test("a time in the reader's zone names the zone only where the clinic's is another", () => {
  assert.match(local(AT, "Etc/UTC", "en", "Etc/UTC"), /^2:05.PM$/u);
  assert.match(local(AT, "Etc/UTC", "en", "Europe/Vienna"), /^3:05.PM .*Central European/u);
  assert.match(local(AT, "Europe/Berlin", "en", "Europe/Vienna"), /^3:05.PM$/u);
});

test("a day and time are the reader's", () => {
  assert.match(day(AT, "Etc/UTC", "en", "Etc/UTC"), /^Monday, November 23, 2:05.PM$/u);
  assert.match(day(new Date("2026-11-23T23:30:00Z"), undefined, "en", "Europe/Vienna"), /^Tuesday, November 24, 12:30.AM$/u);
});

test("near times are told from now", () => {
  const now = AT.getTime();
  assert.equal(relative(AT, now, "en"), "now");
  assert.equal(relative(new Date(now - 5 * 60_000), now, "en"), "5 minutes ago");
  assert.equal(relative(new Date(now + 3 * 3_600_000), now, "en"), "in 3 hours");
});
