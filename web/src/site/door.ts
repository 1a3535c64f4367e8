import { AUTOMATIC } from "./automatic.ts";

const EVERY = 3_000;

/** On the page that waits for approval of another device: continues automatically once the request is answered. */
export function waitAtDoor(page: Document): void {
  if (page.querySelector("[data-waits-at-door]") === null) return;
  const look = async (): Promise<void> => {
    try {
      const response = await fetch(location.href, { credentials: "same-origin", cache: "no-store", redirect: "manual", headers: AUTOMATIC });
      const waits = response.ok && (await response.text()).includes("data-waits-at-door");
      if (!waits) return location.reload();
    } catch {
      // Without a network, the next poll may succeed.
    }
    setTimeout(() => void look(), EVERY);
  };
  setTimeout(() => void look(), EVERY);
}
