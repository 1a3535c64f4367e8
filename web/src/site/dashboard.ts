import { chime } from "../sound/chime.ts";
import { trusted } from "../trusted.ts";
import { AUTOMATIC } from "./automatic.ts";
import { localTimes, takeClock } from "./times.ts";

const EVERY = 10_000;

/** Refreshes `<main data-live-dashboard>` while the page is visible. */
export function liveDashboard(page: Document): void {
  if (page.querySelector("main[data-live-dashboard]") === null) return;
  const title = page.title.replace(/^\(\d+\)\s*/, "");
  let waiting = show(page, title);
  let asking = false;
  const refresh = async (): Promise<void> => {
    if (asking || page.visibilityState !== "visible" || isBusy(page)) return;
    asking = true;
    try {
      await replace(page);
    } finally {
      asking = false;
    }
    const now = show(page, title);
    if (now.some((id) => !waiting.includes(id))) chime();
    waiting = now;
  };
  setInterval(() => void refresh(), EVERY);
  page.addEventListener("visibilitychange", () => void refresh());
}

/** Whether the user is interacting with the list, which must not be replaced then. */
function isBusy(page: Document): boolean {
  const active = page.activeElement;
  return active !== null && active.matches("#today input, #today select, #today textarea");
}

/**
 * Accepts only markup that this server rendered for this URL. It is parsed into an inert document, in which no script
 * runs.
 */
const ownPage = trusted("bedside-page", "createHTML", (text) => text);

async function replace(page: Document): Promise<void> {
  let text: string;
  try {
    const response = await fetch(location.href, { headers: { accept: "text/html", ...AUTOMATIC }, credentials: "same-origin", cache: "no-store" });
    if (!response.ok || response.redirected) return;
    text = await response.text();
  } catch {
    return;
  }
  const read = new DOMParser().parseFromString(ownPage(text), "text/html");
  takeClock(read);
  const fresh = read.getElementById("today");
  const old = page.getElementById("today");
  if (fresh === null || old === null) return;
  localTimes(fresh);
  if (fresh.isEqualNode(old)) return;
  const key = focusKey(old, page.activeElement);
  old.replaceWith(page.adoptNode(fresh));
  if (key !== null) fresh.querySelector<HTMLElement>(key)?.focus();
}

/** A key for finding the focused link again in the refreshed list. */
function focusKey(list: Element, active: Element | null): string | null {
  if (active === null || !list.contains(active)) return null;
  if (active.id !== "") return `#${CSS.escape(active.id)}`;
  const href = active.getAttribute("href");
  return href === null ? null : `[href="${CSS.escape(href)}"]`;
}

/** Updates the count in the title, and returns who is waiting. */
function show(page: Document, title: string): string[] {
  const rows = [...page.querySelectorAll("#today .appointment")].filter((row) => row.querySelector(".badge--waiting") !== null);
  page.title = rows.length > 0 ? `(${rows.length}) ${title}` : title;
  return rows.map((row) => row.id || row.querySelector("a[href]")?.getAttribute("href") || row.textContent?.trim() || "");
}
