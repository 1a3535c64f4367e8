import type { Appointment } from "../api/appointment.ts";
import { UNKNOWN, type Awaited, type Qualities } from "../peer/quality.ts";
import type { MediaMessage } from "../signalling/client.ts";
import type { Role, UserId } from "../signalling/messages.ts";
import type { Clock } from "../time/clock.ts";
import type { Published } from "./publication.ts";

/** What a backend is to bring about. Given whole, each time something of it changes. */
export interface MediaWish {
  /** The person is in the waiting room or the visit: hold the media path ready. */
  present: boolean;
  /** They are connected: media may flow. Never true without `present`. */
  connected: boolean;
  /** How many others may be heard and seen. */
  people: number;
  /** Three and more are of the visit: what this person sends goes to more than one. */
  several: boolean;
  /** What of the other person is to arrive, as far as the server says; and whether it is known that their devices work. */
  awaited: Awaited & { certain: boolean };
  /** The other person's {@link MediaState.ready}, as they reported it. */
  otherReady: boolean;
  /** Their microphone; `null` if there is none. It stays attached while muted (`enabled` is false). */
  microphone: MediaStreamTrack | null;
  /** Their camera; `null` if there is none or it is off. */
  camera: MediaStreamTrack | null;
  /** What of the person may be heard and seen, for a backend that captures itself. */
  published: Published;
}

/** How the media stands. */
export interface MediaState {
  link: "off" | "connecting" | "up" | "lost";
  /** The other person's side can reach this one over the backend. */
  ready: boolean;
  /** The other person, for a backend that delivers tracks. */
  remote: MediaStream | null;
  /** Everyone else, for a backend that delivers tracks. Another map when somebody is new in it. */
  company: ReadonlyMap<UserId, MediaStream>;
  /** The other person, for a backend that draws its own picture. */
  surface: HTMLElement | null;
  /** Whether there is anything on it. */
  shows: boolean;
  /** A code for why the backend does not come about, {@link NO_PATH} for one; `null`: nothing is wrong. */
  trouble: string | null;
  quality: Qualities;
}

/** A trouble: sound and picture have found no way to the server for a while. */
export const NO_PATH = "no_path";

/** Before anything is known. */
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
 * Who carries the media of a visit. It never decides who may join nor where a visit stands: the
 * server does, and the store turns its word into wishes.
 */
export interface CallBackend {
  /** Whether it takes camera and microphone itself while connected: the page then lets go of them. */
  readonly captures: boolean;
  /** How it stands now. */
  readonly state: MediaState;
  /** Works towards a wish. Giving the same again changes nothing. */
  update(wish: MediaWish): void;
  /** The server can be reached, or not. `carried`: it holds a media connection of ours. */
  reachable(reachable: boolean, carried: boolean): void;
  /** A message of the server about media. */
  receive(message: MediaMessage): void;
  /** Measurements for diagnostics, where there are any. */
  stats(): Promise<RTCStatsReport | undefined>;
  /** Ends it. */
  close(): void;
}

/** What a backend is given when it is made. */
export interface BackendContext {
  appointment: Appointment;
  /** Origin of the server, empty for the page's own. */
  base: string;
  /** What this person is in the visit. */
  role: Role;
  /** The person at this page. */
  self: UserId;
  /** The one the page is about. For a backend that connects two: the only one whose media may be shown. */
  other: UserId;
  clock: Clock;
  random: () => number;
  /** Sends an offer over the visit's signalling; `false` if the server cannot be reached now. */
  offer: (peer: number, sdp: string) => boolean;
  /** A token for a backend with accounts of its own; `fresh`: the last one does not work any more. */
  callToken: (fresh: boolean) => Promise<string>;
  /** Somebody who is not the other person called, and was refused. */
  stranger: () => void;
  /** {@link CallBackend.state} is different. */
  changed: () => void;
}

/** Makes a backend. */
export type CreateBackend = (context: BackendContext) => CallBackend;

/** Finds a backend by the name the server gave. */
export type LoadBackend = (name: string) => Promise<CreateBackend>;

/** No way to be heard and seen: for whoever comes beside the two where the call is for two. */
export const createNone: CreateBackend = () => ({
  captures: false,
  state: NO_MEDIA,
  update: () => {},
  reachable: () => {},
  receive: () => {},
  stats: async () => undefined,
  close: () => {},
});
