/** Shows every `<time datetime data-local>` where the reader is, naming the zone if it is not the clinic's. */
export function localTimes(root: ParentNode, now = Date.now()): void {
  for (const element of root.querySelectorAll<HTMLTimeElement>("time[data-local]")) {
    const date = new Date(element.dateTime);
    if (Number.isNaN(date.getTime())) continue;
    const zone = element.dataset["zone"];
    const kind = element.dataset["local"];
    element.textContent = kind === "relative" ? relative(date, now) : kind === "day" ? day(date, zone) : local(date, zone);
  }
}

/** The reader's own time; the zone's name stands with it where `zone` is another one. */
export function local(date: Date, zone: string | undefined, locale?: string, own?: string): string {
  const here = own ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  const options: Intl.DateTimeFormatOptions = { hour: "numeric", minute: "2-digit", timeZone: here };
  const differs = zone !== undefined && zone !== here && offset(date, zone) !== offset(date, here);
  return new Intl.DateTimeFormat(locale, differs ? { ...options, timeZoneName: "long" } : options).format(date);
}

/** The same with its day: "Monday, November 23 at 2:05 PM". */
export function day(date: Date, zone: string | undefined, locale?: string, own?: string): string {
  const here = own ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  const options: Intl.DateTimeFormatOptions = { weekday: "long", day: "numeric", month: "long", timeZone: here };
  return `${new Intl.DateTimeFormat(locale, options).format(date)}, ${local(date, zone, locale, own)}`;
}

function offset(date: Date, timeZone: string): string {
  try {
    const parts = new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "longOffset" }).formatToParts(date);
    return parts.find((part) => part.type === "timeZoneName")?.value ?? "";
  } catch {
    return "";
  }
}

/** "in 12 minutes", "5 minutes ago", "now". */
export function relative(date: Date, now: number, locale?: string): string {
  const minutes = Math.round((date.getTime() - now) / 60_000);
  const format = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  if (Math.abs(minutes) < 60) return minutes === 0 ? "now" : format.format(minutes, "minute");
  const hours = Math.round(minutes / 60);
  return Math.abs(hours) < 24 ? format.format(hours, "hour") : format.format(Math.round(hours / 24), "day");
}
