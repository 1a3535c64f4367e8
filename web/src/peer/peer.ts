import type { UserId } from "../signalling/messages.ts";
import type { MediaMessage } from "../signalling/client.ts";
import { backOff, nothing, type Clock } from "../time/clock.ts";
import type { Capabilities } from "./codecs.ts";
import { Connection, CONFIGURATION, type Wait } from "./connection.ts";
import { SoundWorker } from "./deepening.ts";
import type { PeerConnections } from "./roaming.ts";

/** Interval of connection checks, normally and after packets stopped arriving. */
const LISTEN_EVERY = 500;
const LISTEN_CLOSELY = 200;
/** How long ICE may be in the "disconnected" state, which may recover, if that is the only symptom. */
const SHAKY = 2_000;
/**
 * Timeouts of a new connection: for the server's answer; from the answer for ICE, which a roaming connection does over
 * UDP only; and from then for DTLS, which normally takes a fraction of a second. On an overloaded machine each step
 * takes seconds, and starting again makes it slower: so each step has its own timeout, and the first two are doubled
 * after each attempt in which one of them ran out, at most this often.
 */
const ANSWERED_WITHIN = 8_000;
const ICE_WITHIN = 8_000;
const ROAM_WITHIN = 2_000;
const SEALED_WITHIN = 4_000;
const DOUBLINGS = 2;
/** A connection from which packets arrived this recently may be alive even if the server dropped it. */
const ALIVE = 600;
/**
 * Without a network, ICE fails immediately, and recovers automatically when the browser finds one, which takes two
 * seconds. Such a connection is kept for this long.
 */
const PATIENCE = 2_500;

/** The state of the media connection. */
export type Link = "off" | "connecting" | "up" | "lost";

/** The dependencies of the media connection. */
export interface PeerOptions {
  clock: Clock;
  random: () => number;
  connections: PeerConnections;
  capabilities: Capabilities;
  /** Sends an SDP offer; `false` if the server cannot be reached now. */
  offer: (peer: number, sdp: string) => boolean;
  /** Called when {@link Peer.link} or {@link Peer.received} has changed. */
  changed: () => void;
}

/**
 * Keeps a media connection to the server alive. If no packets arrive for a second, ICE is disconnected for two, or the
 * server does not know the connection, a new one is created. The old one is kept until the new one is up, and whichever
 * is up first is used. An ICE restart would be slower: Chromium keeps using the dead path for another two and a half
 * seconds.
 *
 * A connection has sections for the number of participants known when it was created. For more participants, a larger
 * connection is created beside it in the same way without interrupting the current one. A connection that is being
 * set up is finished first, even if it is too small by then: otherwise participants who arrive one after another would
 * delay each other's media.
 *
 * A roaming connection is tried first, and again when signalling reconnects, because the network may have changed. If
 * it does not come up, or no packets arrive although the server can be reached, UDP may be blocked, and a plain
 * connection is tried next. If ICE connects but DTLS does not complete, or only small packets get through, the network
 * may drop large packets, and only TCP is used until the network changes.
 */
export class Peer {
  readonly #options: PeerOptions;
  #number: number;
  #open = false;
  #current: Connection | null = null;
  #next: Connection | null = null;
  #sound: MediaStreamTrack | null = null;
  #picture: MediaStreamTrack | null = null;
  #full = false;
  /** The number of other participants to receive. */
  #people = 1;
  /** Whether media goes to more than one participant. */
  #several = false;
  #reachable = true;
  #unsent: (() => void) | null = null;
  #attempt = 0;
  /** Attempts in a row that were given up because they took too long. */
  #late = 0;
  /** The server reports that it holds no connection of this page. */
  #doubted = false;
  /** Adds audio redundancy, once there was heavy loss in this visit. */
  readonly #worker: SoundWorker;
  /** Over UDP, only small packets get through. */
  #tcp = false;
  #stopListening = nothing;
  #stopShaky = nothing;
  #stopRenew = nothing;
  #stopRetry = nothing;

  constructor(options: PeerOptions) {
    this.#options = options;
    this.#worker = new SoundWorker(options.clock);
    // Random, so that a reloaded page is not confused with the previous one.
    this.#number = 1 + Math.floor(options.random() * 0x7fff_0000);
  }

  /** The current state. */
  get link(): Link {
    if (!this.#open) return "off";
    if (this.#current === null) return "connecting";
    return this.#current.carries ? "up" : "lost";
  }

  /** The tracks of each other participant. */
  get received(): ReadonlyMap<UserId, readonly MediaStreamTrack[]> {
    return (this.#current ?? this.#next)?.received ?? new Map();
  }

  /** The WebRTC statistics of the connection. */
  async stats(): Promise<RTCStatsReport | undefined> {
    return (this.#current ?? this.#next)?.pc.getStats();
  }

  /** Creates a connection if there is none. */
  open(): void {
    if (this.#open) return;
    this.#open = true;
    this.#attempt = 0;
    this.#renew();
    this.#listenLater();
  }

  /** Closes all connections. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#stopTimers();
    this.#stopListening();
    this.#current?.close();
    this.#next?.close();
    this.#current = this.#next = null;
    this.#worker.close();
    this.#unsent = null;
    this.#options.changed();
  }

  /** Sets the tracks to send. */
  send(sound: MediaStreamTrack | null, picture: MediaStreamTrack | null): void {
    this.#sound = sound;
    this.#picture = picture;
    void this.#current?.send(sound, picture);
    void this.#next?.send(sound, picture);
  }

  /** Sets whether to send full video or just enough to keep the path alive. */
  pace(full: boolean): void {
    this.#full = full;
    void this.#current?.pace(full);
    void this.#next?.pace(full);
  }

  /**
   * Sets the number of other participants to receive, at least one, and whether media goes to more than one. With fewer
   * participants the connection is kept: sections stay empty, and unused layers are not sent.
   */
  meet(people: number, several: boolean): void {
    this.#people = Math.max(1, people);
    this.#several = several;
    this.#widen();
  }

  #isNarrow({ shape: { people, several } }: Connection): boolean {
    return people < this.#people || (this.#several && !several);
  }

  /** Creates a larger connection beside one that is too small. */
  #widen(): void {
    if (this.#open && this.#current !== null && this.#isNarrow(this.#current)) this.#replaceSoon(0, true);
  }

  /** Sets the minimum jitter buffer targets; `null` for the browser's default. */
  hold(wait: Wait | null): void {
    this.#current?.hold(wait);
  }

  /** Processes the server's response to an offer. */
  receive(message: MediaMessage): void {
    const connection = [this.#next, this.#current].find((candidate) => candidate?.number === message.peer);
    if (connection === null || connection === undefined) return;
    if (message.type === "layers") {
      void connection.want(message.wanted);
    } else if (message.type === "answer") {
      connection.answer(message.sdp, message.tracks).then(
        () => this.#answered(connection),
        () => this.#failed(connection),
      );
    } else if (connection === this.#current && this.#next === null && this.#attempt === 0) {
      // The server lost a working connection, which is no reason to back off.
      this.#attempt += 1;
      this.#renew();
    } else {
      this.#failed(connection);
    }
  }

  #answered(connection: Connection): void {
    if (connection === this.#next && connection.pc.connectionState !== "connected") {
      this.#giveUpAfter(connection.shape.roams ? ROAM_WITHIN : ICE_WITHIN * this.#patience);
    }
    this.#options.changed();
  }

  /** Sets whether the server can be reached. */
  reachable(reachable: boolean): void {
    this.#reachable = reachable;
    if (reachable && this.#open) void this.#resume();
  }

  /** The server reports that it holds no media connection of this page, possibly prematurely. */
  gone(): void {
    this.#doubted = true;
  }

  /** The browser has switched networks, or has a network again. */
  networkChanged(): void {
    this.#tcp = false;
    this.#late = 0;
    void this.#listen();
  }

  /** The server can be reached again: whatever is missing is requested immediately. */
  async #resume(): Promise<void> {
    const current = this.#current;
    const doubted = this.#doubted;
    this.#doubted = false;
    this.#tcp = false;
    const alive = current !== null && (await this.#proves(current, doubted));
    if (!this.#open || !this.#reachable || current !== this.#current) return;
    const unsent = this.#unsent;
    this.#unsent = null;
    if (alive) {
      this.#settled(current);
    } else if (unsent !== null) {
      unsent();
    } else if (this.#next === null || this.#next.pc.signalingState === "have-local-offer") {
      // The answer may have been lost with the old signalling connection.
      this.#renew();
    }
  }

  /** Whether a connection still works. For one that the server does not know, the check takes a moment. */
  async #proves(connection: Connection, doubted: boolean): Promise<boolean> {
    await this.#listen();
    if (!connection.carries) return false;
    if (!doubted) return true;
    if (!connection.pulse.heardWithin(this.#options.clock.now(), ALIVE)) return false;
    const before = connection.pulse.received;
    await new Promise<void>((done) => this.#options.clock.after(LISTEN_CLOSELY, done));
    await this.#listen();
    return connection.pulse.received > before;
  }

  #listenLater(): void {
    this.#stopListening();
    const delay = this.#current?.pulse.silent === true ? LISTEN_CLOSELY : LISTEN_EVERY;
    this.#stopListening = this.#options.clock.after(delay, () => {
      void this.#listen().then(() => {
        if (this.#open) this.#listenLater();
      });
    });
  }

  /** Checks whether packets from the server still arrive. */
  async #listen(): Promise<void> {
    const connection = this.#current;
    if (connection === null) return;
    const wasSilent = connection.pulse.silent;
    await connection.listen(() => this.#options.clock.now()).catch(nothing);
    if (connection !== this.#current) return;
    if (connection.pulse.silent) this.#replaceSoon(0);
    else if (wasSilent && connection.carries) this.#settled(connection);
    if (connection.pulse.silent !== wasSilent) this.#options.changed();
    if (connection.stifled) this.#unstifle();
    if (connection.lossy && connection.carries && this.#full) {
      if (this.#worker.running !== null) this.#replaceSoon(0, true);
      else this.#worker.start(() => this.#replaceSoon(0, true), () => this.#unstifle());
    }
    if (connection.cramped && connection.carries && this.#full && !this.#tcp) {
      this.#tcp = true;
      this.#replaceSoon(0);
    }
  }

  /** The worker blocks audio, so a connection without it takes over. */
  #unstifle(): void {
    this.#worker.fail();
    if (this.#open && this.#current !== null) this.#replaceSoon(0, true);
  }

  #renew(roaming = true): void {
    this.#stopTimers();
    this.#next?.close();
    this.#number += 1;
    const { clock, connections, capabilities } = this.#options;
    // A roaming connection does not use TCP.
    const roams = roaming && !this.#tcp ? connections.roaming(CONFIGURATION) : null;
    const pc = roams ?? connections.plain(CONFIGURATION);
    const shape = { people: this.#people, several: this.#several, roams: roams !== null, tcp: this.#tcp };
    const connection = new Connection(this.#number, shape, pc, clock, capabilities, this.#worker.running);
    this.#next = connection;
    pc.onconnectionstatechange = () => this.#moved(connection);
    pc.oniceconnectionstatechange = () => {
      if (connection === this.#next && connection.unsealed) this.#giveUpAfter(SEALED_WITHIN);
    };
    void connection.send(this.#sound, this.#picture);
    void connection.pace(this.#full);
    this.#giveUpAfter(ANSWERED_WITHIN * this.#patience);
    void this.#negotiate(connection);
    this.#options.changed();
  }

  async #negotiate(connection: Connection): Promise<void> {
    let sdp: string;
    try {
      sdp = await connection.offer();
    } catch {
      if (this.#holds(connection)) this.#failed(connection);
      return;
    }
    if (!this.#holds(connection)) return;
    const sent = this.#reachable && this.#options.offer(connection.number, sdp);
    this.#unsent = sent ? null : () => void this.#negotiate(connection);
  }

  #moved(connection: Connection): void {
    if (!this.#holds(connection)) return;
    switch (connection.pc.connectionState) {
      case "connected":
        this.#settled(connection);
        break;
      case "disconnected":
        if (connection === this.#current) this.#replaceSoon(SHAKY);
        break;
      case "failed":
        if (connection === this.#current) this.#replaceSoon(0);
        else this.#failLater(connection);
        break;
      case "new":
      case "connecting":
      case "closed":
        break;
    }
    this.#options.changed();
  }

  /** `connection` is up and becomes the current one. */
  #settled(connection: Connection): void {
    if (connection === this.#next) {
      this.#current?.close();
      this.#current = connection;
      this.#next = null;
    } else if (this.#next !== null) {
      // The old one recovered first. But if the new one is half-way up, the server may have switched already. And if
      // the old one is too small, the new one is needed in any case.
      if (this.#next.unsealed || (this.#isNarrow(connection) && !this.#isNarrow(this.#next))) return;
      this.#next.close();
      this.#next = null;
      this.#unsent = null;
    }
    this.#attempt = this.#late = 0;
    this.#stopTimers();
    this.#options.changed();
    this.#widen();
  }

  /** The current connection failed: create another unless one is pending. */
  #replaceSoon(delay: number, roaming = false): void {
    if (this.#next !== null || this.#attempt > 0 || this.#unsent !== null) return;
    this.#stopShaky();
    if (delay === 0) return this.#renewWhenReachable(roaming);
    this.#stopShaky = this.#options.clock.after(delay, () => {
      if (this.#next === null && this.#current?.pc.connectionState !== "connected") this.#renewWhenReachable();
    });
  }

  /** The factor of the timeouts. */
  get #patience(): number {
    return 2 ** Math.min(this.#late, DOUBLINGS);
  }

  /** Replaces the new connection unless its next step completes in time. */
  #giveUpAfter(milliseconds: number): void {
    this.#stopRenew();
    this.#stopRenew = this.#options.clock.after(milliseconds, () => {
      if (this.#next?.unsealed === true) this.#tcp = true;
      // A roaming connection fails wherever UDP is blocked, which takes no longer the next time.
      else if (this.#next?.shape.roams !== true) this.#late += 1;
      this.#renewWhenReachable();
    });
  }

  /** Without signalling no offer can be sent; the reconnect tries again. */
  #renewWhenReachable(roaming = false): void {
    if (this.#reachable) this.#renew(roaming);
    else this.#unsent = () => this.#renew();
  }

  #failLater(connection: Connection): void {
    this.#stopRetry();
    this.#stopRetry = this.#options.clock.after(PATIENCE, () => {
      if (this.#holds(connection) && connection.pc.connectionState === "failed") this.#failed(connection);
    });
  }

  /** `connection` failed: create another, with exponential back-off. */
  #failed(connection: Connection): void {
    if (connection === this.#next) {
      this.#next = null;
      connection.close();
    }
    this.#stopTimers();
    const delay = backOff(this.#attempt, 300, 2, 8_000, this.#options.random);
    this.#attempt += 1;
    this.#stopRetry = this.#options.clock.after(delay, () => this.#renewWhenReachable());
    this.#options.changed();
  }

  #holds(connection: Connection): boolean {
    return this.#open && (connection === this.#current || connection === this.#next);
  }

  #stopTimers(): void {
    this.#stopShaky();
    this.#stopRenew();
    this.#stopRetry();
  }
}
