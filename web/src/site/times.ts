import { pageLocale } from "../words/locale.ts";

/** How far the server's clock is ahead of the local clock, in milliseconds. */
let ahead = 0;

/** Reads the server's clock from a newly loaded page. */
export function takeClock(page: Document, now = Date.now()): void {
  const server = Date.parse(page.body?.dataset["now"] ?? "");
  // The error is only a few seconds of loading time.
  if (!Number.isNaN(server)) ahead = server - now;
}

/** Formats every `<time datetime data-local>` in the reader's time zone, with the clinic's time if it differs. */
export function localTimes(root: ParentNode, now = Date.now() + ahead): void {
  for (const element of root.querySelectorAll<HTMLTimeElement>("time[data-local]")) {
    const date = new Date(element.dateTime);
    if (Number.isNaN(date.getTime())) continue;
    const zone = element.closest<HTMLElement>("[data-zone]")?.dataset["zone"];
    element.textContent = inWords(element.dataset["local"], date, zone, now);
  }
}

function inWords(kind: string | undefined, date: Date, zone: string | undefined, now: number): string {
  switch (kind) {
    case "relative":
      return relative(date, now);
    case "day":
      return day(date, zone);
    case "date":
      return calendarDate(date);
    case "birth":
      return dateOfBirth(date);
    default:
      return local(date, zone);
  }
}

const TIME: Intl.DateTimeFormatOptions = { hour: "numeric", minute: "2-digit" };
const NAMED: Intl.DateTimeFormatOptions = { ...TIME, timeZoneName: "long" };
const DAY: Intl.DateTimeFormatOptions = { weekday: "long", day: "numeric", month: "long" };

/** The reader's local time; if the clinic's time differs, both, each with its time zone. */
export function local(date: Date, zone: string | undefined, locale?: string, own?: string): string {
  const here = own ?? ownZone();
  const show = (options: Intl.DateTimeFormatOptions, timeZone: string): string => format(date, { ...options, timeZone }, locale);
  if (zone === undefined || !knows(zone) || !differs(date, zone, here)) return show(TIME, here);
  const clinic = sameDay(date, zone, here) ? show(NAMED, zone) : `${show(DAY, zone)}, ${show(NAMED, zone)}`;
  return `${show(NAMED, here)} (${clinic} at the clinic)`;
}

/** The same with the day: "Monday, November 23, 2:05 PM". */
export function day(date: Date, zone: string | undefined, locale?: string, own?: string): string {
  return `${format(date, { ...DAY, timeZone: own ?? ownZone() }, locale)}, ${local(date, zone, locale, own)}`;
}

/** A day of the clinic's calendar, wherever the reader is: "Monday, November 23, 2026". */
export function calendarDate(date: Date, locale?: string): string {
  return format(date, { ...DAY, year: "numeric", timeZone: "UTC" }, locale);
}

/** "December 10, 1985". */
export function dateOfBirth(date: Date, locale?: string): string {
  return format(date, { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" }, locale);
}

function format(date: Date, options: Intl.DateTimeFormatOptions, locale = pageLocale()): string {
  return onOneLine(new Intl.DateTimeFormat(locale, options).format(date));
}

/** Some browsers put a plain space before AM and PM, at which a line breaks. */
export function onOneLine(time: string): string {
  return time.replace(/(\d)\s([ap]\.?m)/giu, "$1\u00a0$2");
}

function ownZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

function differs(date: Date, zone: string, here: string): boolean {
  return zone !== here && offset(date, zone) !== offset(date, here);
}

function sameDay(date: Date, zone: string, here: string): boolean {
  const of = (timeZone: string): string => new Intl.DateTimeFormat("en", { dateStyle: "short", timeZone }).format(date);
  return of(zone) === of(here);
}

function offset(date: Date, timeZone: string): string {
  const parts = new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "longOffset" }).formatToParts(date);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "";
}

/** Whether the browser knows a time zone. For an unknown one, only one time is shown. */
function knows(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone });
    return true;
  } catch {
    return false;
  }
}

/** "in 12 minutes", "5 minutes ago", "now". */
export function relative(date: Date, now: number, locale = pageLocale()): string {
  const minutes = Math.round((date.getTime() - now) / 60_000);
  const format = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  if (Math.abs(minutes) < 60) return minutes === 0 ? "now" : format.format(minutes, "minute");
  const hours = Math.round(minutes / 60);
  return Math.abs(hours) < 24 ? format.format(hours, "hour") : format.format(Math.round(hours / 24), "day");
}
