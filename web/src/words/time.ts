import { local, onOneLine } from "../site/times.ts";
import { bare } from "./isolate.ts";
import { pageLocale } from "./locale.ts";

/** Formats a duration as 4:05 or 1:04:05. */
export function elapsed(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (n: number): string => String(n).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = two(seconds % 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/** Formats a duration in words: "less than a minute", "1 minute", "2 hours". */
export function spell(milliseconds: number): string {
  const minutes = Math.floor(Math.max(0, milliseconds) / 60_000);
  if (minutes < 1) return "less than a minute";
  if (minutes < 60) return minutes === 1 ? "1 minute" : `${minutes} minutes`;
  const hours = Math.floor(minutes / 60);
  return hours === 1 ? "1 hour" : `${hours} hours`;
}

/** A time of day for the reader, and at the clinic if that differs; with the day if it is not today. */
export function when(datetime: string, now: number, zone?: string, locale = pageLocale()): string {
  const date = new Date(datetime);
  if (Number.isNaN(date.getTime())) return "";
  const time = local(date, zone, locale);
  if (date.toDateString() === new Date(now).toDateString()) return `Today, ${time}`;
  const day = new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long" }).format(date);
  return `${day}, ${time}`;
}

/** The reader's local time of day. */
export function clockTime(at: number, locale = pageLocale()): string {
  return onOneLine(new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit" }).format(at));
}

/** Up to two initials of a person's name, without titles. */
export function initials(name: string): string {
  const words = bare(name)
    .split(/\s+/)
    .filter((word) => word !== "" && !/^(dr|prof|mr|mrs|ms|mx)\.?$/i.test(word));
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map((word) => [...(word ?? "")][0] ?? "");
  return letters.join("").toLocaleUpperCase();
}
