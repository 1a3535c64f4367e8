import type { CallState, Scene } from "../call/state.ts";
import { CONNECTING, grade, LOST, worse, type Grade } from "./quality.ts";

type Known = Pick<CallState, "role" | "view" | "media" | "transport" | "lent">;

/** Whether media can flow between patient and provider, as far as known. Other backends report this themselves. */
export function carries({ view, media }: Pick<CallState, "view" | "media">): boolean {
  if (view === null || view.backend !== "embedded") return true;
  return media.link === "up" && view.other.media;
}

/** The connection of one side, as displayed on this page. */
export function sideConnection(state: Known, scene: Scene, of: "you" | "other"): Grade {
  const { media, transport, view } = state;
  if (of === "you") return transport !== "open" && media.link !== "up" ? LOST : grade(media.quality.you, "you");
  if (scene === "reconnecting" || scene === "alone") return LOST;
  if (media.link === "up" && view !== null && view.backend === "embedded" && !view.other.media) return { quality: "lost", words: "Not connected" };
  return grade(media.quality.other, "other");
}

/**
 * The connection status displayed next to the other participant's name: for a patient their own connection, for the
 * provider the patient's, or whichever is worse.
 */
export function connectionWords(state: Known, scene: Scene): Grade {
  if (scene === "reconnecting") return LOST;
  const [you, other] = [sideConnection(state, scene, "you"), sideConnection(state, scene, "other")];
  if (state.media.link !== "up") return state.media.link === "lost" ? LOST : CONNECTING;
  const [first, second] = state.role === "provider" ? [other, you] : [you, other];
  return second.quality === "lost" ? worse(first, second) : first;
}

/** The text shown instead of video while there is no connection for it; `null` if there is one. */
export function waitingWords({ role, view, media }: Known, other: string): { words: string; more: string } | null {
  if (view === null || view.backend !== "embedded") return null;
  if (media.link !== "up") return { words: `Connecting you with ${other}…`, more: "" };
  if (view.other.media) return null;
  const more = role === "provider" ? "If it stays like this, call them by telephone." : "";
  return { words: `${other}'s sound and picture aren't getting through yet.`, more };
}
