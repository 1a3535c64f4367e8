import MARKS from "./in_app.json";

/**
 * Returns the app whose in-app browser shows the page, if any. The server's `elsewhere.rs` reads the same list. Most
 * such apps do not give pages access to the camera.
 */
export function appOf(userAgent: string): string | null {
  const found = MARKS.find(({ mark }) => userAgent.includes(mark));
  if (found !== undefined) return found.name;
  // Every browser on an iPhone includes "Safari" in its user agent; in-app web views do not.
  const apple = /\b(iPhone|iPad|iPod)\b/.test(userAgent) && userAgent.includes("AppleWebKit/");
  return apple && !userAgent.includes("Safari/") ? "another app" : null;
}
