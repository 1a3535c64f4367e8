/**
 * What a call's page and the document with CometChat's SDKs say to each other, over a `MessagePort`. The page
 * decides; the document does, and reports.
 */

/** What a page lets out. */
export interface Media {
  microphone: boolean;
  camera: boolean;
}

/** From the page. */
export type Order =
  | { type: "sign_in"; app: App; uid: string; token: string }
  /** Call somebody. `attempt` is said back. */
  | { type: "call"; attempt: number; to: string; ringSeconds: number }
  | { type: "accept"; session: string }
  | { type: "refuse"; session: string }
  /** Into the media of an accepted call. */
  | { type: "join"; session: string; media: Media }
  | { type: "publish"; media: Media }
  /** Out of whatever there is, in both SDKs: a ringing call, a running one, one that a crashed page left behind. */
  | { type: "leave" };

/** Which app, and where. */
export interface App {
  appId: string;
  region: string;
  clientHost: string | null;
}

/** From the document. */
export type Report =
  /** The SDKs are loaded. */
  | { type: "ready" }
  | { type: "signed_in" }
  /** Calls are heard, or not. */
  | { type: "line"; up: boolean }
  /** The login is gone: revoked, or replaced. */
  | { type: "signed_out" }
  /** Somebody calls. */
  | { type: "incoming"; session: string; from: string }
  /** Whoever called does not any more. */
  | { type: "withdrawn"; session: string }
  /** Our call rings. */
  | { type: "calling"; attempt: number; session: string }
  /** A call was accepted: by the other one, or by us. */
  | { type: "accepted"; session: string; initiator: string }
  /** Our call was not answered. */
  | { type: "unanswered"; session: string }
  /** The media of a call run. */
  | { type: "joined"; session: string }
  /** How many others are in it. */
  | { type: "others"; session: string; count: number }
  /** A call is over, whoever ended it. */
  | { type: "ended"; session: string }
  /** Everything is left. */
  | { type: "left" }
  /** An order was not done. `code`: the SDK's own. */
  | { type: "failed"; order: Order["type"]; code: string; message: string };
