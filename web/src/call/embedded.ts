import { browserCapabilities } from "../peer/codecs.ts";
import { watchNetwork } from "../peer/network.ts";
import { Peer } from "../peer/peer.ts";
import { QualityMeter, UNKNOWN, type Qualities } from "../peer/quality.ts";
import { browserConnections } from "../peer/roaming.ts";
import type { UserId } from "../signalling/messages.ts";
import { nothing } from "../time/clock.ts";
import { NO_MEDIA, NO_PATH, type BackendContext, type CallBackend, type MediaState, type MediaWish } from "./backend.ts";

const MEASURE_EVERY = 2_000;
/** After this long without a path to the server, users are told what they can do. */
const NO_PATH_AFTER = 10_000;
const LOSSY = 0.02;
/**
 * Jitter buffer target in milliseconds with packet loss: redundant copies of lost audio arrive up to 80 ms later; lost
 * video is retransmitted, and the retransmission may be lost as well.
 */
const SHELTER = { audio: 120, video: 300 };
/** The target is reset after this many consecutive measurements without loss. */
const CALM = 5;

/** The backend for Bedside's embedded SFU, over WebRTC. */
export class Embedded implements CallBackend {
  readonly captures = false;
  readonly #context: BackendContext;
  readonly #connections = browserConnections();
  readonly #peer: Peer;
  readonly #remote = new MediaStream();
  #company: ReadonlyMap<UserId, MediaStream> = new Map();
  #meter = new QualityMeter();
  #calm = CALM;
  #state: MediaState = NO_MEDIA;
  #wish: MediaWish | null = null;
  #stopMeasuring = nothing;
  #stopWaiting: (() => void) | null = null;
  #late = false;
  readonly #stopWatching: () => void;

  constructor(context: BackendContext) {
    this.#context = context;
    this.#peer = new Peer({
      clock: context.clock,
      random: context.random,
      connections: this.#connections,
      capabilities: browserCapabilities,
      offer: context.offer,
      changed: () => this.#follow(),
    });
    this.#stopWatching = watchNetwork(() => this.#peer.networkChanged());
  }

  get state(): MediaState {
    return this.#state;
  }

  update(wish: MediaWish): void {
    this.#wish = wish;
    this.#peer.send(wish.microphone, wish.camera);
    this.#peer.pace(wish.connected);
    this.#peer.meet(wish.people, wish.several);
    if (wish.present) {
      this.#peer.open();
      if (this.#stopMeasuring === nothing) this.#measureLater();
    } else {
      this.#peer.close();
      this.#stopMeasuring();
      this.#stopMeasuring = nothing;
    }
  }

  reachable(reachable: boolean, carried: boolean): void {
    if (reachable && !carried) this.#peer.gone();
    this.#peer.reachable(reachable);
  }

  receive(message: Parameters<CallBackend["receive"]>[0]): void {
    this.#peer.receive(message);
  }

  async stats(): Promise<RTCStatsReport | undefined> {
    return this.#peer.stats();
  }

  close(): void {
    this.#stopWatching();
    this.#stopMeasuring();
    this.#peer.close();
    this.#connections.close();
  }

  /** Each participant keeps one stream for the whole visit, so that media elements are never swapped. */
  #follow(): void {
    const { received } = this.#peer;
    const { other } = this.#context;
    const fresh = [...received.keys()].filter((user) => user !== other && !this.#company.has(user));
    if (fresh.length > 0) this.#company = new Map([...this.#company, ...fresh.map((user) => [user, new MediaStream()] as const)]);
    for (const [user, stream] of [[other, this.#remote] as const, ...this.#company]) fill(stream, received.get(user) ?? []);
    const link = this.#peer.link;
    this.#wait(link);
    const quality = link === "up" ? this.#state.quality : whenNot(link);
    const trouble = this.#late ? NO_PATH : null;
    this.#set({ ...NO_MEDIA, link, ready: link === "up", remote: this.#remote, company: this.#company, quality, trouble });
  }

  /** Detects that there has been no path to the server for too long. */
  #wait(link: MediaState["link"]): void {
    if (link === "up" || link === "off") {
      this.#stopWaiting?.();
      this.#stopWaiting = null;
      this.#late = false;
    } else {
      this.#stopWaiting ??= this.#context.clock.after(NO_PATH_AFTER, () => {
        this.#late = true;
        this.#follow();
      });
    }
  }

  #measureLater(): void {
    this.#stopMeasuring = this.#context.clock.after(MEASURE_EVERY, () => void this.#measure());
  }

  async #measure(): Promise<void> {
    const stop = this.#stopMeasuring;
    const report = this.#peer.link === "up" ? await this.#peer.stats().catch(() => undefined) : undefined;
    if (this.#stopMeasuring !== stop) return;
    if (report !== undefined) {
      const quality = this.#meter.read(report.values() as Iterable<Record<string, unknown>>, expectation(this.#wish, this.#remote));
      this.#set({ ...this.#state, quality });
      this.#shelter();
    } else {
      this.#meter = new QualityMeter();
    }
    this.#measureLater();
  }

  #shelter(): void {
    this.#calm = this.#meter.downLoss >= LOSSY ? 0 : this.#calm + 1;
    this.#peer.hold(this.#calm < CALM ? SHELTER : null);
  }

  #set(state: MediaState): void {
    const before = this.#state;
    const same = state.link === before.link && state.remote === before.remote && state.company === before.company && state.trouble === before.trouble;
    this.#state = state;
    if (!same || !sameWords(state.quality, before.quality) || state.link !== "up") this.#context.changed();
  }
}

function fill(stream: MediaStream, tracks: readonly MediaStreamTrack[]): void {
  for (const track of stream.getTracks()) if (!tracks.includes(track)) stream.removeTrack(track);
  for (const track of tracks) stream.addTrack(track);
}

function whenNot(link: MediaState["link"]): Qualities {
  return link === "lost" ? { ...UNKNOWN, you: { sound: "lost", picture: "lost" } } : UNKNOWN;
}

function sameWords(a: Qualities, b: Qualities): boolean {
  return (["you", "other"] as const).every((side) => a[side].sound === b[side].sound && a[side].picture === b[side].picture);
}

/** The media that must be sent and received. */
function expectation(wish: MediaWish | null, remote: MediaStream): Parameters<QualityMeter["read"]>[1] {
  const sends = (track: MediaStreamTrack | null): boolean =>
    wish?.connected === true && track !== null && track.enabled && track.readyState === "live" && !track.muted;
  const awaited = wish?.connected === true ? wish.awaited : null;
  return {
    you: { sound: sends(wish?.microphone ?? null), picture: sends(wish?.camera ?? null) },
    other: { sound: awaited?.sound === true, picture: awaited?.picture === true },
    certain: awaited?.certain === true,
    tracks: new Set(remote.getTracks().map(({ id }) => id)),
  };
}

/** Creates the embedded backend. */
export const createEmbedded = (context: BackendContext): CallBackend => new Embedded(context);
