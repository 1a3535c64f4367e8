import type { Appointment, Problem } from "../api/appointment.ts";
import type { CaptureState } from "../devices/capture.ts";
import type { Light } from "../devices/light.ts";
import type { Transport } from "../signalling/client.ts";
import type { Admission, Command, Refusal, Role, Timestamp, UserId, View } from "../signalling/messages.ts";
import type { MediaState } from "./backend.ts";
import { accompanies, present } from "./company.ts";
import type { Published } from "./publication.ts";
import type { Shown } from "./view.ts";

/** Everything a page displays. Replaced on every change, never mutated. */
export interface CallState {
  /** The page's role: the provider's, or the patient's, which companions use as well. */
  role: Role;
  /** The user's role in the visit; `null` while only the server knows it. */
  part: Role | null;
  /** The appointment; `null` until it was loaded. */
  appointment: Appointment | null;
  /** Why the appointment could not be loaded. */
  problem: Problem | null;
  transport: Transport;
  /** The server's view; `null` before the first snapshot. */
  view: Shown | null;
  /**
   * The latest time at which the server stops, if it is shutting down. Nothing new can be started until another server
   * answers.
   */
  stopping: Timestamp | null;
  /** Pending requests to join from another device than the one that used the link. */
  admissions: readonly Admission[];
  /** The active speaker, in a visit of three or more; `null` if nobody speaks. */
  speaking: UserId | null;
  /** The last active speaker. */
  floor: UserId | null;
  /** Milliseconds to add to the local clock to get the server's. */
  clockSkew: number;
  capture: CaptureState;
  /** The backend captures camera and microphone, so this page holds none. */
  lent: boolean;
  /** Whether the microphone has picked up sound. */
  heard: boolean;
  /** The brightness check of the camera's picture. */
  light: Light;
  media: MediaState;
  /** The media this user sends, as far as this page knows. Never more than the server allows. */
  published: Published;
  /** Commands that have not been answered; their buttons are busy. */
  busy: ReadonlySet<Command["name"]>;
  /** The last refusal of a user's action, until the next action. */
  refusal: { command: Command["name"]; refusal: Refusal } | null;
  /** Chat messages that the server refused, oldest first. */
  unsent: readonly Unsent[];
  /** Whether the user wants to be in the visit: false once they left, declined, or it ended. */
  here: boolean;
  /** The user declined a call. */
  declined: boolean;
  /** Why the server did not let the user join automatically. */
  door: Refusal | null;
}

/** A chat message that was not sent, and why. */
export interface Unsent {
  text: string;
  refusal: Refusal;
}

/** What the page shows: the server's stage, or a state that precedes it. */
export type Scene =
  | "loading"
  | "problem"
  | "moved"
  | "signed_out"
  | "refused"
  | "broken"
  | "apart"
  | View["stage"]["name"];

/** Returns the scene of a state. */
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

/** Whether the user is a companion while another backend carries the call, which connects only two. */
function isApart({ part, view }: CallState): boolean {
  if (part === null || !accompanies(part) || view === null || view.backend === "embedded") return false;
  return view.stage.name !== "ended";
}

/** Whether patient and provider are in the visit together, even during an interruption. */
export function inCall(scene: Scene): boolean {
  return scene === "connected" || scene === "reconnecting" || scene === "alone";
}

/**
 * Whether participants' media is shown on this page: in the call, and on the provider's page while the patient is being
 * called and a companion has joined.
 */
export function isTogether(view: Shown | null, scene: Scene): boolean {
  if (view === null) return false;
  const calls = scene === "calling" || scene === "unanswered" || scene === "declined";
  return inCall(scene) || (calls && view.backend === "embedded" && present(view).length > 0);
}

/** The states that are exposed to the page around the element. */
export type PublicState = "waiting" | "idle" | "calling" | "connected" | "ended" | "error";

/** Returns the public name of a scene for a role. */
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
