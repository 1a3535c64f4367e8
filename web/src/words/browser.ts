import { appOf } from "../devices/in_app.ts";

/** The browsers whose settings we can name. */
export type Browser = "in-app" | "safari-phone" | "safari-mac" | "chrome-phone" | "samsung" | "firefox" | "edge" | "chrome" | "other";

/** Which browser a page runs in, as far as its words for settings go. */
export function browserOf(userAgent: string): Browser {
  if (appOf(userAgent) !== null) return "in-app";
  const apple = /\b(iPhone|iPad|iPod)\b/.test(userAgent);
  if (apple) return "safari-phone";
  if (/\bSamsungBrowser\//.test(userAgent)) return "samsung";
  if (/\bFirefox\//.test(userAgent)) return "firefox";
  if (/\bEdgA?\//.test(userAgent)) return "edge";
  if (/Chrome\//.test(userAgent)) return /\bAndroid\b/.test(userAgent) ? "chrome-phone" : "chrome";
  if (/\bSafari\//.test(userAgent)) return "safari-mac";
  return "other";
}
