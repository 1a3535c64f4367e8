import { present } from "../call/company.ts";
import type { CallState } from "../call/state.ts";
import type { CallBackend } from "../signalling/messages.ts";

/**
 * Why the provider cannot start yet; empty if they can. With the embedded SFU there is no need to wait, nor for a
 * provider who joins by starting.
 */
export function startWaits({ view, here, media }: Pick<CallState, "view" | "here" | "media">): string {
  if (view === null || view.backend === "embedded" || !here || media.link === "up") return "";
  return media.trouble === null ? "One moment: signing in at CometChat." : "CometChat doesn't answer as it should. We keep trying.";
}

/** The text shown until the call's video surface appears. */
export function backendWords(trouble: string | null, other: string): string {
  return trouble === null ? `Connecting you with ${other}…` : "The video service doesn't answer as it should. We keep trying.";
}

/** The backends to which the provider can move the call. */
export function moves({ state }: { state: Pick<CallState, "role" | "view" | "appointment"> }): { label: string; backend: CallBackend }[] {
  if (state.role !== "provider" || state.view === null || state.appointment?.call.cometchat === undefined) return [];
  return state.view.backend === "embedded"
    ? [{ label: present(state.view).length > 0 ? "Move this call to CometChat, for two only" : "Move this call to CometChat", backend: "cometchat" }]
    : [{ label: "Move this call to the clinic's server", backend: "embedded" }];
}
