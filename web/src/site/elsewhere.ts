import { surroundingsFault } from "../devices/fault.ts";

/**
 * On a link's page, before it is used: a browser that can't hold a visit is told so, and every person can
 * take the link along. The server has recognised the apps it knows already. False: a visit cannot be held here.
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
      // Apps give pages no clipboard either: then by hand.
      byHand.hidden = false;
      field.value = location.href;
      field.focus();
      field.select();
    }
  });
}
