import { browserCapabilities } from "../peer/codecs.ts";
import { watchNetwork } from "../peer/network.ts";
import { Peer } from "../peer/peer.ts";
import { QualityMeter } from "../peer/quality.ts";
import { browserConnections } from "../peer/roaming.ts";
import type { UserId } from "../signalling/messages.ts";
import { nothing } from "../time/clock.ts";
import { NO_MEDIA, type BackendContext, type CallBackend, type MediaState, type MediaWish } from "./backend.ts";

const MEASURE_EVERY = 2_000;
const LOSSY = 0.02;
/**
 * Where packets are lost, media wait this long, in milliseconds: the copies of lost sound come up to 80 ms
 * later; a lost piece of a picture is asked for, and sent again, and that may be lost as well.
 */
const SHELTER = { audio: 120, video: 300 };
/** So many quiet measurements in a row end it. */
const CALM = 5;

/** Bedside's own media server, reached over WebRTC. */
export class Embedded implements CallBackend {
  readonly captures = false;
  readonly #context: BackendContext;
  readonly #peer: Peer;
  readonly #remote = new MediaStream();
  #company: ReadonlyMap<UserId, MediaStream> = new Map();
  #meter = new QualityMeter();
  #calm = CALM;
  #state: MediaState = NO_MEDIA;
  #stopMeasuring = nothing;
  readonly #stopWatching: () => void;

  constructor(context: BackendContext) {
    this.#context = context;
    this.#peer = new Peer({
      clock: context.clock,
      random: context.random,
      connections: browserConnections(),
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
  }

  /** One stream a person for the whole visit: the elements that play them are never swapped. */
  #follow(): void {
    const { received } = this.#peer;
    const { other } = this.#context;
    const fresh = [...received.keys()].filter((user) => user !== other && !this.#company.has(user));
    if (fresh.length > 0) this.#company = new Map([...this.#company, ...fresh.map((user) => [user, new MediaStream()] as const)]);
    for (const [user, stream] of [[other, this.#remote] as const, ...this.#company]) fill(stream, received.get(user) ?? []);
    const link = this.#peer.link;
    const quality = link === "up" ? this.#state.quality : { ...NO_MEDIA.quality, you: lostUnless(link) };
    this.#set({ ...NO_MEDIA, link, ready: link === "up", remote: this.#remote, company: this.#company, quality });
  }

  #measureLater(): void {
    this.#stopMeasuring = this.#context.clock.after(MEASURE_EVERY, () => void this.#measure());
  }

  async #measure(): Promise<void> {
    const stop = this.#stopMeasuring;
    const report = this.#peer.link === "up" ? await this.#peer.stats().catch(() => undefined) : undefined;
    if (this.#stopMeasuring !== stop) return;
    if (report !== undefined) {
      this.#set({ ...this.#state, quality: this.#meter.read(report.values() as Iterable<Record<string, unknown>>) });
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
    const { you, other } = this.#state.quality;
    const before = this.#state;
    const same = state.link === before.link && state.remote === before.remote && state.company === before.company;
    this.#state = state;
    if (!same || state.quality.you !== you || state.quality.other !== other || state.link !== "up") this.#context.changed();
  }
}

function fill(stream: MediaStream, tracks: readonly MediaStreamTrack[]): void {
  for (const track of stream.getTracks()) if (!tracks.includes(track)) stream.removeTrack(track);
  for (const track of tracks) stream.addTrack(track);
}

function lostUnless(link: MediaState["link"]): "lost" | "unknown" {
  return link === "lost" ? "lost" : "unknown";
}

/** Makes the embedded backend. */
export const createEmbedded = (context: BackendContext): CallBackend => new Embedded(context);
