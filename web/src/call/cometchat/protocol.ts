/**
 * The messages between a page and the document with CometChat's SDKs, over a `MessagePort`. The page decides; the
 * document executes and reports.
 */

/** Which media are sent. */
export interface Media {
  microphone: boolean;
  camera: boolean;
}

/** A message from the page. */
export type Order =
  | { type: "sign_in"; app: App; uid: string; token: string }
  /** Call a user. `attempt` is echoed in reports. */
  | { type: "call"; attempt: number; to: string; ringSeconds: number }
  | { type: "accept"; session: string }
  | { type: "refuse"; session: string }
  /** Join the media session of an accepted call. */
  | { type: "join"; session: string; media: Media }
  | { type: "publish"; media: Media }
  /** Leave everything in both SDKs: a ringing call, a running one, or one left behind by a crashed page. */
  | { type: "leave" };

/** The CometChat app. */
export interface App {
  appId: string;
  region: string;
  clientHost: string | null;
}

/** A message from the document. */
export type Report =
  /** The SDKs are loaded. */
  | { type: "ready" }
  | { type: "signed_in" }
  /** Whether incoming calls are received. */
  | { type: "line"; up: boolean }
  /** The login is no longer valid: revoked or replaced. */
  | { type: "signed_out" }
  /** An incoming call. */
  | { type: "incoming"; session: string; from: string }
  /** The caller has cancelled. */
  | { type: "withdrawn"; session: string }
  /** The outgoing call is ringing. */
  | { type: "calling"; attempt: number; session: string }
  /** A call was accepted by either side. */
  | { type: "accepted"; session: string; initiator: string }
  /** The outgoing call was not answered. */
  | { type: "unanswered"; session: string }
  /** The media session of a call has been joined. */
  | { type: "joined"; session: string }
  /** The number of other participants in it. */
  | { type: "others"; session: string; count: number }
  /** A call has ended on either side. */
  | { type: "ended"; session: string }
  /** Everything was left. */
  | { type: "left" }
  /** An order failed. `code` is the SDK's error code. */
  | { type: "failed"; order: Order["type"]; code: string; message: string };
