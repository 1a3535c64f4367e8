import { surroundingsFault } from "../devices/fault.ts";

/**
 * On a link's page before it is used: tells users of unsupported browsers, and lets everyone copy the link to another
 * browser. The server has already detected known in-app browsers. Returns `false` if a visit is not possible in this
 * browser.
 */
export function offerElsewhere(page: Document): boolean {
  const advice = page.querySelector<HTMLElement>("[data-elsewhere]");
  if (advice === null) return true;
  const fault = surroundingsFault({
    secure: isSecureContext,
    mediaDevices: navigator.mediaDevices?.getUserMedia !== undefined,
    peerConnection: globalThis.RTCPeerConnection !== undefined,
    userAgent: navigator.userAgent,
  });
  const impossible = fault === "unsupported" || fault === "in_app_browser";
  if (impossible) {
    advice.hidden = false;
    for (const rest of page.querySelectorAll<HTMLElement>("[data-join], [data-join-wait], [data-join-slow]")) rest.hidden = true;
  }
  if (!advice.hidden) offerCopy(advice);
  return !impossible;
}

function offerCopy(advice: HTMLElement): void {
  const copy = advice.querySelector<HTMLElement>("[data-copy]");
  const said = advice.querySelector<HTMLElement>("[data-copied]");
  const byHand = advice.querySelector<HTMLElement>("[data-by-hand]");
  const field = byHand?.querySelector("input") ?? null;
  if (copy === null || said === null || byHand === null || field === null) return;
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      said.textContent = "Copied. Now open your browser and paste it there.";
    } catch {
      // In-app browsers often have no clipboard access, so the link is shown for manual copying.
      byHand.hidden = false;
      field.value = location.href;
      field.focus();
      field.select();
    }
  });
}
