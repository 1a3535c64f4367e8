import { appOf } from "../devices/in_app.ts";

/** The browsers for which there are specific instructions. */
export type Browser = "in-app" | "safari-phone" | "safari-mac" | "chrome-phone" | "samsung" | "firefox" | "edge" | "chrome" | "other";

/** Detects the browser, as far as needed for instructions. */
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
