import type { Appointment } from "../api/appointment.ts";
import { UNKNOWN, type Awaited, type Qualities } from "../peer/quality.ts";
import type { MediaMessage } from "../signalling/client.ts";
import type { Role, UserId } from "../signalling/messages.ts";
import type { Clock } from "../time/clock.ts";
import type { Published } from "./publication.ts";

/** The target state of a backend. Passed as a whole whenever a part of it changes. */
export interface MediaWish {
  /** The user is in the waiting room or the visit: keep the media connection ready. */
  present: boolean;
  /** The participants are connected: media may flow. Never true without `present`. */
  connected: boolean;
  /** The number of other participants who may send media. */
  people: number;
  /** Three or more participants are in the visit, so that this user's media goes to more than one. */
  several: boolean;
  /**
   * The media expected from the other participant according to the server, and whether their devices are known to work.
   */
  awaited: Awaited & { certain: boolean };
  /** The other participant's {@link MediaState.ready}, as reported by them. */
  otherReady: boolean;
  /** The user's microphone; `null` if there is none. It stays attached while muted (`enabled` is false). */
  microphone: MediaStreamTrack | null;
  /** The user's camera; `null` if there is none or it is off. */
  camera: MediaStreamTrack | null;
  /** Which of the user's media may be sent, for a backend that captures devices itself. */
  published: Published;
}

/** The current state of media. */
export interface MediaState {
  link: "off" | "connecting" | "up" | "lost";
  /** The other participant can reach this one over the backend. */
  ready: boolean;
  /** The other participant's media, for a backend that delivers tracks. */
  remote: MediaStream | null;
  /** The media of all further participants, for a backend that delivers tracks. A new map whenever someone is added. */
  company: ReadonlyMap<UserId, MediaStream>;
  /** The other participant's video, for a backend that renders it itself. */
  surface: HTMLElement | null;
  /** Whether the surface shows anything. */
  shows: boolean;
  /** A code for why the backend cannot connect, e.g. {@link NO_PATH}; `null` without a problem. */
  trouble: string | null;
  quality: Qualities;
}

/** The trouble code for media that could not reach the server for a while. */
export const NO_PATH = "no_path";

/** The state before anything is known. */
export const NO_MEDIA: MediaState = {
  link: "off",
  ready: false,
  remote: null,
  company: new Map(),
  surface: null,
  shows: false,
  trouble: null,
  quality: UNKNOWN,
};

/**
 * A call backend, which carries the media of a visit. It never decides who may join or at which stage a visit is: the
 * server does, and the store translates that into target states.
 */
export interface CallBackend {
  /** Whether it captures camera and microphone itself while connected, so that the page must release them. */
  readonly captures: boolean;
  /** The current state. */
  readonly state: MediaState;
  /** Sets the target state. Passing the same state again has no effect. */
  update(wish: MediaWish): void;
  /** Reports whether the server can be reached. `carried`: it holds a media connection of this page. */
  reachable(reachable: boolean, carried: boolean): void;
  /** Processes a message from the server about media. */
  receive(message: MediaMessage): void;
  /** WebRTC statistics for diagnostics, if available. */
  stats(): Promise<RTCStatsReport | undefined>;
  /** Closes the backend. */
  close(): void;
}

/** The parameters for creating a backend. */
export interface BackendContext {
  appointment: Appointment;
  /** Origin of the server, empty for the page's own. */
  base: string;
  /** The user's role in the visit. */
  role: Role;
  /** The user at this page. */
  self: UserId;
  /** The counterpart of the user. For a backend that connects two: the only participant whose media may be shown. */
  other: UserId;
  clock: Clock;
  random: () => number;
  /** Sends an SDP offer over signalling; `false` if the server cannot be reached now. */
  offer: (peer: number, sdp: string) => boolean;
  /** Returns an access token for a backend with separate accounts. `fresh`: the previous one is no longer valid. */
  callToken: (fresh: boolean) => Promise<string>;
  /** Reports a rejected call from someone other than the counterpart. */
  stranger: () => void;
  /** Called when {@link CallBackend.state} has changed. */
  changed: () => void;
}

/** Creates a backend. */
export type CreateBackend = (context: BackendContext) => CallBackend;

/** Loads a backend by the name the server gave. */
export type LoadBackend = (name: string) => Promise<CreateBackend>;

/** No media: for companions while the call's backend connects only two participants. */
export const createNone: CreateBackend = () => ({
  captures: false,
  state: NO_MEDIA,
  update: () => {},
  reachable: () => {},
  receive: () => {},
  stats: async () => undefined,
  close: () => {},
});
