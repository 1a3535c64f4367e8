import type { Appointment, Problem } from "../api/appointment.ts";
import type { CaptureState } from "../devices/capture.ts";
import type { Light } from "../devices/light.ts";
import type { Transport } from "../signalling/client.ts";
import type { Admission, Command, Refusal, Role, Timestamp, UserId, View } from "../signalling/messages.ts";
import type { MediaState } from "./backend.ts";
import { accompanies, present } from "./company.ts";
import type { Published } from "./publication.ts";
import type { Shown } from "./view.ts";

/** All that a page shows. Replaced whenever something changes, never changed in place. */
export interface CallState {
  /** Whose page it is: the provider's, or the patient's, which is also that of everyone beside them. */
  role: Role;
  /** What the person is in the visit; `null` as long as only the server knows. */
  part: Role | null;
  /** Who the appointment is between; `null` until it was read. */
  appointment: Appointment | null;
  /** Why the appointment could not be read. */
  problem: Problem | null;
  transport: Transport;
  /** The server's view; `null` before the first snapshot. */
  view: Shown | null;
  /** When the server stops at the latest, if it is about to: nothing new begins until another answers. */
  stopping: Timestamp | null;
  /** Who asks to come in on another device than the one that used their link. */
  admissions: readonly Admission[];
  /** Who speaks, in a visit of three and more; `null`: nobody. */
  speaking: UserId | null;
  /** Who spoke last. */
  floor: UserId | null;
  /** What to add to this computer's clock to get the server's. */
  clockSkew: number;
  capture: CaptureState;
  /** The backend has camera and microphone: this page holds none. */
  lent: boolean;
  /** Whether the microphone was heard. */
  heard: boolean;
  /** What is seen of the camera's picture. */
  light: Light;
  media: MediaState;
  /** What this person lets out, as far as this page knows. Never wider than the server's word. */
  published: Published;
  /** Commands that wait for their answer: their buttons are busy. */
  busy: ReadonlySet<Command["name"]>;
  /** The last refusal of something the person did, until they do something else. */
  refusal: { command: Command["name"]; refusal: Refusal } | null;
  /** Messages that the server did not take, the oldest first. */
  unsent: readonly Unsent[];
  /** Whether the person wants to be here: false once they left, said "not now", or it ended. */
  here: boolean;
  /** They said "not now" to a call. */
  declined: boolean;
  /** Why the server does not let this person in by itself. */
  door: Refusal | null;
}

/** A message that was not sent, and why. */
export interface Unsent {
  text: string;
  refusal: Refusal;
}

/** What the page is about: the server's stage, or what stands before it. */
export type Scene =
  | "loading"
  | "problem"
  | "moved"
  | "signed_out"
  | "refused"
  | "broken"
  | "apart"
  | View["stage"]["name"];

/** Which scene a state is. */
export function sceneOf(state: CallState): Scene {
  switch (state.transport) {
    case "moved":
    case "signed_out":
    case "refused":
    case "broken":
      return state.transport;
    case "connecting":
    case "open":
    case "reconnecting":
    case "closed":
      if (state.problem !== null) return "problem";
      if (isApart(state)) return "apart";
      return state.view?.stage.name ?? "loading";
  }
}

/** Another backend connects two: whoever comes beside them is not in its calls. */
function isApart({ part, view }: CallState): boolean {
  if (part === null || !accompanies(part) || view === null || view.backend === "embedded") return false;
  return view.stage.name !== "ended";
}

/** Whether the two are in the visit together, be it with a gap. */
export function inCall(scene: Scene): boolean {
  return scene === "connected" || scene === "reconnecting" || scene === "alone";
}

/**
 * Whether people are seen and heard at this page: in the call, and at the provider's while the patient is called
 * and somebody else has come already.
 */
export function isTogether(view: Shown | null, scene: Scene): boolean {
  if (view === null) return false;
  const calls = scene === "calling" || scene === "unanswered" || scene === "declined";
  return inCall(scene) || (calls && view.backend === "embedded" && present(view).length > 0);
}

/** The few states that a page around the element is told of. */
export type PublicState = "waiting" | "idle" | "calling" | "connected" | "ended" | "error";

/** The public name of a scene for a role. */
export function publicState(role: Role, scene: Scene): PublicState {
  switch (scene) {
    case "problem":
    case "moved":
    case "signed_out":
    case "refused":
    case "broken":
    case "apart":
      return "error";
    case "connected":
    case "reconnecting":
    case "alone":
      return "connected";
    case "left":
    case "ended":
      return "ended";
    case "calling":
    case "unanswered":
    case "declined":
      return "calling";
    case "loading":
    case "preparing":
    case "waiting":
    case "called":
    case "idle":
      return role === "patient" ? "waiting" : "idle";
  }
}
