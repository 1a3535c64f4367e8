import { AUTOMATIC } from "./automatic.ts";

const EVERY = 3_000;

/** Somebody waits to be let in on another device: the page goes on by itself as soon as it is answered. */
export function waitAtDoor(page: Document): void {
  if (page.querySelector("[data-waits-at-door]") === null) return;
  const look = async (): Promise<void> => {
    try {
      const response = await fetch(location.href, { credentials: "same-origin", cache: "no-store", redirect: "manual", headers: AUTOMATIC });
      const waits = response.ok && (await response.text()).includes("data-waits-at-door");
      if (!waits) return location.reload();
    } catch {
      // No network just now: the next look may find one.
    }
    setTimeout(() => void look(), EVERY);
  };
  setTimeout(() => void look(), EVERY);
}
