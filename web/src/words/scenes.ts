import type { CallState, Scene } from "../call/state.ts";
import { NO_PATH } from "../call/backend.ts";
import { captureWords } from "./capture.ts";
import { carries } from "./connection.ts";
import { noPath } from "./faults.ts";

const NO_PATH_WORDS = noPath("other").title;

/** The screen reader announcement for a scene change; empty for none. */
export function announcement(state: CallState, scene: Scene, other: string): string {
  if (scene !== "loading" && (state.transport === "reconnecting" || state.media.link === "lost")) {
    return "Your connection dropped. Getting you back.";
  }
  switch (scene) {
    case "loading":
      return "Connecting.";
    case "waiting":
      if (state.media.trouble === NO_PATH) return `You're in the waiting room. ${NO_PATH_WORDS}`;
      return `You're in the waiting room. We'll connect you with ${other} automatically.`;
    case "called":
      return `${other} is calling you in.`;
    case "calling":
      return `Waiting for ${other}.`;
    case "unanswered":
      return `${other} hasn't come yet.`;
    case "declined":
      return `${other} can't come now.`;
    case "connected": {
      if (state.media.trouble === NO_PATH) return `${NO_PATH_WORDS} Open Help to see what you can do.`;
      if (!carries(state)) return `Connecting you with ${other}.`;
      const capture = state.view === null ? "" : captureWords(state.view.other.capture, other);
      return capture === "" ? `You're connected with ${other}.` : capture;
    }
    case "reconnecting":
      return `${other} lost the connection. They're on their way back.`;
    case "alone":
      return `${other} left the visit.`;
    case "left":
      return "You left the visit.";
    case "ended":
      return isCancelled(state) ? "This appointment was cancelled." : "The visit has ended.";
    case "idle":
      return state.view?.other.presence.name === "here" ? `${other} is in the waiting room.` : "";
    case "preparing":
    case "problem":
    case "moved":
    case "signed_out":
    case "refused":
    case "broken":
    case "apart":
      return "";
  }
}

function isCancelled({ view }: CallState): boolean {
  return view?.stage.name === "ended" && view.stage.reason === "cancelled";
}

/** The title of the window. */
export function title(state: CallState, scene: Scene, other: string): string {
  const words = ((): string => {
    if (state.role === "provider" && (scene === "idle" || scene === "calling") && state.view?.other.presence.name === "here") {
      return `(1) ${other} is waiting`;
    }
    switch (scene) {
      case "waiting":
        return "Waiting room";
      case "called":
        return `${other} is calling you in`;
      case "calling":
      case "unanswered":
      case "declined":
        return `Waiting for ${other}`;
      case "connected":
        return `Visit with ${other}`;
      case "reconnecting":
        return "Reconnecting";
      case "alone":
        return `${other} left`;
      case "left":
        return "You left the visit";
      case "ended":
        return isCancelled(state) ? "Appointment cancelled" : "Visit ended";
      case "loading":
      case "preparing":
      case "idle":
        return `Visit with ${other}`;
      case "problem":
      case "moved":
      case "signed_out":
      case "refused":
      case "broken":
      case "apart":
        return "Visit";
    }
  })();
  return `${words} · Bedside`;
}
