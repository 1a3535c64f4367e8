import MARKS from "./in_app.json";

/**
 * The app that a page is shown in, if it is not a browser of its own; the server's `elsewhere.rs` reads
 * the same list. Such apps mostly have no camera for pages.
 */
export function appOf(userAgent: string): string | null {
  const found = MARKS.find(({ mark }) => userAgent.includes(mark));
  if (found !== undefined) return found.name;
  // Every browser of an iPhone says Safari; a page inside an app does not.
  const apple = /\b(iPhone|iPad|iPod)\b/.test(userAgent) && userAgent.includes("AppleWebKit/");
  return apple && !userAgent.includes("Safari/") ? "another app" : null;
}
