import type { UserId } from "../signalling/messages.ts";
import type { MediaMessage } from "../signalling/client.ts";
import { backOff, nothing, type Clock } from "../time/clock.ts";
import type { Capabilities } from "./codecs.ts";
import { Connection, CONFIGURATION, type Wait } from "./connection.ts";
import { SoundWorker } from "./deepening.ts";
import type { PeerConnections } from "./roaming.ts";

/** How often it is measured whether the server is heard, and how often once it was not. */
const LISTEN_EVERY = 500;
const LISTEN_CLOSELY = 200;
/** ICE says that a path is shaky, and nothing else does; it may mend itself. */
const SHAKY = 2_000;
/** How long a fresh connection may take, and one that knows only UDP. */
const RENEW_AFTER = 8_000;
const ROAM_WITHIN = 2_000;
/** How long DTLS may take on a plain one over a path that was found, which takes a fraction of a second. */
const SEALED_WITHIN = 4_000;
/** A connection that was heard so shortly ago may be alive, whatever the server thought of it. */
const ALIVE = 600;
/**
 * ICE fails at once without a network, and goes on by itself when the browser has found one, which
 * takes it two seconds: such a connection is not thrown away before.
 */
const PATIENCE = 2_500;

/** Whether the media path carries. */
export type Link = "off" | "connecting" | "up" | "lost";

/** What the media path needs. */
export interface PeerOptions {
  clock: Clock;
  random: () => number;
  connections: PeerConnections;
  capabilities: Capabilities;
  /** Sends an offer; `false` if the server cannot be reached now. */
  offer: (peer: number, sdp: string) => boolean;
  /** Something of {@link Peer.link} or {@link Peer.received} is different. */
  changed: () => void;
}

/**
 * The media path to the server, kept alive. When the server is not heard for a second, ICE has been
 * shaky for two, or the server does not know the connection any more, a fresh one is made; the old
 * one stays until the fresh one carries, and whichever carries first is the one. An ICE restart of
 * the old one would be slower: Chromium holds on to the dead path for two and a half seconds more.
 *
 * A connection has room for as many people as were to be seen when it was made. For more, a fresh one is made beside it
 * in the same way, and what runs is not touched.
 *
 * A connection that roams is made first, and again when the server comes back, since the network may be
 * another then. Where it does not carry, or is not heard while the server is reached, UDP may be blocked: the
 * next is a plain one. Where a path is found over which DTLS does not complete, or over which only small packets pass,
 * the network may drop large packets: the next goes by TCP alone, until the network is another.
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
  /** How many others there are to receive. */
  #people = 1;
  /** Whether what is sent goes to more than one. */
  #several = false;
  #reachable = true;
  #unsent: (() => void) | null = null;
  #attempt = 0;
  /** The server says that it holds no connection of ours. */
  #doubted = false;
  /** More redundancy for sound, once much of it has been lost in this visit. */
  readonly #worker: SoundWorker;
  /** UDP carries small packets alone. */
  #tcp = false;
  #stopListening = nothing;
  #stopShaky = nothing;
  #stopRenew = nothing;
  #stopRetry = nothing;

  constructor(options: PeerOptions) {
    this.#options = options;
    this.#worker = new SoundWorker(options.clock);
    // A page that was reloaded must not be taken for the one before it.
    this.#number = 1 + Math.floor(options.random() * 0x7fff_0000);
  }

  /** How it stands. */
  get link(): Link {
    if (!this.#open) return "off";
    if (this.#current === null) return "connecting";
    return this.#current.carries ? "up" : "lost";
  }

  /** The tracks of each of the others. */
  get received(): ReadonlyMap<UserId, readonly MediaStreamTrack[]> {
    return (this.#current ?? this.#next)?.received ?? new Map();
  }

  /** The connection's measurements. */
  async stats(): Promise<RTCStatsReport | undefined> {
    return (this.#current ?? this.#next)?.pc.getStats();
  }

  /** Makes the path, if there is none. */
  open(): void {
    if (this.#open) return;
    this.#open = true;
    this.#attempt = 0;
    this.#renew();
    this.#listenLater();
  }

  /** Ends it. */
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

  /** What is sent from now on. */
  send(sound: MediaStreamTrack | null, picture: MediaStreamTrack | null): void {
    this.#sound = sound;
    this.#picture = picture;
    void this.#current?.send(sound, picture);
    void this.#next?.send(sound, picture);
  }

  /** Whether the whole picture is wanted, or only a warm path. */
  pace(full: boolean): void {
    this.#full = full;
    void this.#current?.pace(full);
    void this.#next?.pace(full);
  }

  /**
   * How many others there are to receive, at least one, and whether what is sent goes to more than one. Fewer change
   * nothing: their places stay empty, and nobody takes the other sizes of a picture.
   */
  meet(people: number, several: boolean): void {
    this.#people = Math.max(1, people);
    this.#several = several;
    // One that is under way and too small would have to be followed by another.
    if (this.#open && this.#next !== null && this.#isNarrow(this.#next)) this.#renewWhenReachable(true);
    else this.#widen();
  }

  #isNarrow({ people, several }: Connection): boolean {
    return people < this.#people || (this.#several && !several);
  }

  /** Makes a wider connection beside the one that is too narrow. */
  #widen(): void {
    if (this.#open && this.#current !== null && this.#isNarrow(this.#current)) this.#replaceSoon(0, true);
  }

  /** How long media wait before they are played, at least; `null`: as the browser likes. */
  hold(wait: Wait | null): void {
    this.#current?.hold(wait);
  }

  /** Takes the server's reaction to an offer. */
  receive(message: MediaMessage): void {
    const connection = [this.#next, this.#current].find((candidate) => candidate?.number === message.peer);
    if (connection === null || connection === undefined) return;
    if (message.type === "layers") {
      void connection.want(message.wanted);
    } else if (message.type === "answer") {
      connection.answer(message.sdp, message.tracks).then(
        () => this.#options.changed(),
        () => this.#failed(connection),
      );
    } else if (connection === this.#current && this.#next === null && this.#attempt === 0) {
      // What worked until now has been lost by the server: that is no reason to wait.
      this.#attempt += 1;
      this.#renew();
    } else {
      this.#failed(connection);
    }
  }

  /** The server cannot be reached, or can be again. */
  reachable(reachable: boolean): void {
    this.#reachable = reachable;
    if (reachable && this.#open) void this.#resume();
  }

  /** The server says that it holds no media connection of ours. It may have thought so too early. */
  gone(): void {
    this.#doubted = true;
  }

  /** The browser is on another network, or on one again. */
  networkChanged(): void {
    this.#tcp = false;
    void this.#listen();
  }

  /** The server can be reached again: what is missing is asked for at once. */
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
      // The answer may have gone down with the old connection to the server.
      this.#renew();
    }
  }

  /** Whether a connection still carries; of one that the server does not know it takes a moment to say. */
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

  /** Finds out whether the server is still heard. */
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

  /** What should add redundancy to the sound holds it back: a connection without it takes over. */
  #unstifle(): void {
    this.#worker.fail();
    if (this.#open && this.#current !== null) this.#replaceSoon(0, true);
  }

  #renew(roaming = true): void {
    this.#stopTimers();
    this.#next?.close();
    this.#number += 1;
    const { clock, connections, capabilities } = this.#options;
    // One that roams has no TCP.
    const roams = roaming && !this.#tcp ? connections.roaming(CONFIGURATION) : null;
    const pc = roams ?? connections.plain(CONFIGURATION);
    const { running } = this.#worker;
    const connection = new Connection(this.#number, this.#people, this.#several, pc, clock, capabilities, running, this.#tcp);
    this.#next = connection;
    connection.pc.onconnectionstatechange = () => this.#moved(connection);
    void connection.send(this.#sound, this.#picture);
    void connection.pace(this.#full);
    this.#giveUpLater(roams !== null);
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

  /** `connection` carries: it is the one. */
  #settled(connection: Connection): void {
    if (connection === this.#next) {
      this.#current?.close();
      this.#current = connection;
      this.#next = null;
    } else if (this.#next !== null) {
      // The old one is back first. But where the fresh one is half through, the server may have changed over.
      if (this.#next.pc.iceConnectionState === "connected") return;
      this.#next.close();
      this.#next = null;
      this.#unsent = null;
    }
    this.#attempt = 0;
    this.#stopTimers();
    this.#options.changed();
    this.#widen();
  }

  /** The path does not carry: make another, unless one is being made. */
  #replaceSoon(delay: number, roaming = false): void {
    if (this.#next !== null || this.#attempt > 0 || this.#unsent !== null) return;
    this.#stopShaky();
    if (delay === 0) return this.#renewWhenReachable(roaming);
    this.#stopShaky = this.#options.clock.after(delay, () => {
      if (this.#next === null && this.#current?.pc.connectionState !== "connected") this.#renewWhenReachable();
    });
  }

  /** A connection that takes too long is replaced by another. One that roams is given too little time to tell why. */
  #giveUpLater(roams: boolean): void {
    const { clock } = this.#options;
    this.#stopRenew();
    this.#stopRenew = clock.after(roams ? ROAM_WITHIN : SEALED_WITHIN, () => {
      if (!roams && this.#next?.unsealed !== true) {
        this.#stopRenew = clock.after(RENEW_AFTER - SEALED_WITHIN, () => this.#giveUp(roams));
        return;
      }
      this.#giveUp(roams);
    });
  }

  #giveUp(roams: boolean): void {
    if (!roams && this.#next?.unsealed === true) this.#tcp = true;
    this.#renewWhenReachable();
  }

  /** Without the server there is nobody to offer to; the coming back tries again. */
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

  /** `connection` is of no use: make another, later and later. */
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
