import assert from "node:assert/strict";
import { test } from "node:test";

import { pageLocale } from "../words/locale.ts";
import { calendarDate, dateOfBirth, day, local, localTimes, onOneLine, relative, takeClock } from "./times.ts";

const AT = new Date("2026-11-23T14:05:00Z");

test("a time in the reader's zone names the zone only where the clinic's is another", () => {
  assert.match(local(AT, "Etc/UTC", "en", "Etc/UTC"), /^2:05.PM$/u);
  assert.match(local(AT, "Etc/UTC", "en", "Europe/Vienna"), /^3:05.PM Central European.* \(2:05.PM Coordinated.* at the clinic\)$/u);
  assert.match(local(AT, "Europe/Berlin", "en", "Europe/Vienna"), /^3:05.PM$/u);
});

test("a day and time are the reader's", () => {
  assert.match(day(AT, "Etc/UTC", "en", "Etc/UTC"), /^Monday, November 23, 2:05.PM$/u);
  assert.match(day(new Date("2026-11-23T23:30:00Z"), undefined, "en", "Europe/Vienna"), /^Tuesday, November 24, 12:30.AM$/u);
});

test("a day of the calendar is the same day wherever the reader is", () => {
  assert.equal(calendarDate(new Date("2026-12-02"), "en-US"), "Wednesday, December 2, 2026");
  assert.match(calendarDate(new Date("2026-12-02"), "en-GB"), /^Wednesday,? 2 December 2026$/u);
  assert.equal(dateOfBirth(new Date("1985-12-10"), "en-US"), "December 10, 1985");
  const time = { dateTime: "2026-12-02", dataset: { local: "date" }, textContent: "", closest: () => null };
  localTimes({ querySelectorAll: () => [time] } as unknown as ParentNode);
  assert.match(time.textContent, /2026$/u);
});

test("a time of day is not broken over two lines", () => {
  assert.equal(local(AT, undefined, "en-US", "Etc/UTC"), "2:05\u00a0PM");
  assert.equal(onOneLine("Monday, November 23, 2:05 p.m."), "Monday, November 23, 2:05\u00a0p.m.");
});

test("near times are told from now", () => {
  const now = AT.getTime();
  assert.equal(relative(AT, now, "en"), "now");
  assert.equal(relative(new Date(now - 5 * 60_000), now, "en"), "5 minutes ago");
  assert.equal(relative(new Date(now + 3 * 3_600_000), now, "en"), "in 3 hours");
});

test("the clinic's own day and time stand beside the reader's wherever they differ", () => {
  const late = new Date("2026-12-01T01:30:00Z");
  assert.match(
    day(late, "America/New_York", "en", "UTC"),
    /^Tuesday, December 1, 1:30.AM Coordinated Universal Time \(Monday, November 30, 8:30.PM Eastern Standard Time at the clinic\)$/u,
  );
  assert.match(local(AT, "Nowhere/Atall", "en", "Etc/UTC"), /^2:05.PM$/u);
});

test("a page has one language, one calendar and one set of digits", () => {
  for (const region of ["fa-IR", "ar-SA", "th-TH", "de-AT"]) assert.equal(pageLocale([region]), "en-u-ca-gregory-nu-latn");
  assert.equal(pageLocale(["ar-SA", "en-GB", "en-US"]), "en-GB-u-ca-gregory-nu-latn");
  assert.match(local(AT, undefined, pageLocale(["en-GB"]), "Etc/UTC"), /^14:05$/u);
  assert.match(day(AT, undefined, pageLocale(["fa-IR"]), "Etc/UTC"), /^Monday, November 23, 2:05.PM$/u);
  assert.equal(relative(new Date(AT.getTime() - 300_000), AT.getTime(), pageLocale(["ar-SA"])), "5 minutes ago");
});

test("how long ago something was is told by the server's clock", () => {
  const since = { dateTime: "2026-11-23T14:00:00Z", dataset: { local: "relative" }, textContent: "14:00", closest: () => null };
  const root = { querySelectorAll: () => [since] } as unknown as ParentNode;
  // The browser's clock is three hours off.
  takeClock({ body: { dataset: { now: "2026-11-23T14:05:00.000Z" } } } as unknown as Document, Date.now());
  localTimes(root);
  assert.equal(since.textContent, "5 minutes ago");
});

test("a time stands in the zone of what it stands in", () => {
  const main = { dataset: { zone: "Pacific/Kiritimati" } };
  const time = { dateTime: AT.toISOString(), dataset: { local: "" }, textContent: "", closest: () => main };
  localTimes({ querySelectorAll: () => [time] } as unknown as ParentNode);
  assert.match(time.textContent, /at the clinic\)$/u);
});
