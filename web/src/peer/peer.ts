import type { UserId } from "../signalling/messages.ts";
import type { MediaMessage } from "../signalling/client.ts";
import { backOff, nothing, type Clock } from "../time/clock.ts";
import type { Capabilities } from "./codecs.ts";
import { Connection, type CreatePeerConnection } from "./connection.ts";

const RESTART_AFTER = 2_000;
const RENEW_AFTER = 8_000;

/** Whether the media path carries. */
export type Link = "off" | "connecting" | "up" | "lost";

/** What the media path needs. */
export interface PeerOptions {
  clock: Clock;
  random: () => number;
  create: CreatePeerConnection;
  capabilities: Capabilities;
  /** Whose media to show. */
  other: UserId;
  /** Sends an offer; `false` if the server cannot be reached now. */
  offer: (peer: number, sdp: string) => boolean;
  /** Something of {@link Peer.link} or {@link Peer.received} is different. */
  changed: () => void;
}

/**
 * The media path to the server, kept alive. When it drops, the same connection looks for a new path
 * after 2 s; if that has not helped 8 s after the drop, a fresh connection is made, and the old one
 * goes only when the new one carries.
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
  #reachable = true;
  #unsent: (() => void) | null = null;
  #attempt = 0;
  #stopRestart = nothing;
  #stopRenew = nothing;
  #stopRetry = nothing;

  constructor(options: PeerOptions) {
    this.#options = options;
    // A page that was reloaded must not be taken for the one before it.
    this.#number = 1 + Math.floor(options.random() * 0x7fff_0000);
  }

  /** How it stands. */
  get link(): Link {
    if (!this.#open) return "off";
    if (this.#current === null) return "connecting";
    return this.#current.pc.connectionState === "connected" ? "up" : "lost";
  }

  /** The other person's tracks. */
  get received(): readonly MediaStreamTrack[] {
    return (this.#current ?? this.#next)?.received ?? [];
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
  }

  /** Ends it. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#stopTimers();
    this.#current?.close();
    this.#next?.close();
    this.#current = this.#next = null;
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

  /** Takes the server's reaction to an offer. */
  receive(message: MediaMessage): void {
    const connection = [this.#next, this.#current].find((candidate) => candidate?.number === message.peer);
    if (connection === null || connection === undefined) return;
    if (message.type === "answer") {
      connection.answer(message.sdp, message.tracks, this.#options.other).then(
        () => this.#options.changed(),
        () => this.#failed(connection),
      );
    } else {
      this.#failed(connection);
    }
  }

  /** The server cannot be reached, or can be again. */
  reachable(reachable: boolean): void {
    this.#reachable = reachable;
    if (!reachable || !this.#open) return;
    const unsent = this.#unsent;
    this.#unsent = null;
    if (unsent !== null) {
      unsent();
    } else if (this.#next?.pc.signalingState === "have-local-offer") {
      // The answer may have gone down with the old connection to the server.
      this.#renew();
    } else if (this.link === "lost" && this.#next === null) {
      this.#restart();
      if (this.#stopRenew === nothing) this.#giveUpLater();
    }
  }

  /** The server says that it holds no media connection of ours, whatever we think. */
  gone(): void {
    if (this.#open && this.#current !== null && this.#next === null) this.#renew();
  }

  #renew(): void {
    this.#stopTimers();
    this.#next?.close();
    this.#number += 1;
    const connection = new Connection(this.#number, this.#options.create, this.#options.capabilities);
    this.#next = connection;
    connection.pc.onconnectionstatechange = () => this.#moved(connection);
    void connection.send(this.#sound, this.#picture);
    void connection.pace(this.#full);
    this.#giveUpLater();
    void this.#negotiate(connection, false);
    this.#options.changed();
  }

  async #negotiate(connection: Connection, restart: boolean): Promise<void> {
    let sdp: string;
    try {
      sdp = await connection.offer(restart);
    } catch {
      if (this.#holds(connection)) this.#failed(connection);
      return;
    }
    if (!this.#holds(connection)) return;
    const sent = this.#reachable && this.#options.offer(connection.number, sdp);
    this.#unsent = sent ? null : () => void this.#negotiate(connection, restart);
  }

  #moved(connection: Connection): void {
    if (!this.#holds(connection)) return;
    switch (connection.pc.connectionState) {
      case "connected":
        this.#settled(connection);
        break;
      case "disconnected":
        if (connection === this.#current) this.#troubled(RESTART_AFTER);
        break;
      case "failed":
        if (connection === this.#current) this.#troubled(0);
        else this.#failed(connection);
        break;
      case "new":
      case "connecting":
      case "closed":
        break;
    }
    this.#options.changed();
  }

  /** `connection` carries: it is the one now. */
  #settled(connection: Connection): void {
    if (connection === this.#next) {
      this.#current?.close();
      this.#current = connection;
      this.#next = null;
    }
    if (this.#next === null) {
      this.#attempt = 0;
      this.#stopTimers();
    }
  }

  #troubled(restartAfter: number): void {
    if (this.#next !== null) return;
    this.#stopRestart();
    this.#stopRestart = this.#options.clock.after(restartAfter, () => this.#restart());
    if (this.#stopRenew === nothing) this.#giveUpLater();
  }

  #giveUpLater(): void {
    this.#stopRenew();
    const stop = this.#options.clock.after(RENEW_AFTER, () => {
      this.#stopRenew = nothing;
      // Without the server there is nobody to offer to; the coming back tries again.
      if (this.#reachable) this.#renew();
      else this.#unsent = () => this.#renew();
    });
    this.#stopRenew = () => {
      stop();
      this.#stopRenew = nothing;
    };
  }

  #restart(): void {
    const connection = this.#current;
    if (connection === null || this.#next !== null) return;
    if (connection.pc.connectionState !== "connected") void this.#negotiate(connection, true);
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
    this.#stopRetry = this.#options.clock.after(delay, () => {
      if (this.#reachable) this.#renew();
      else this.#unsent = () => this.#renew();
    });
    this.#options.changed();
  }

  #holds(connection: Connection): boolean {
    return this.#open && (connection === this.#current || connection === this.#next);
  }

  #stopTimers(): void {
    this.#stopRestart();
    this.#stopRenew();
    this.#stopRetry();
    this.#stopRestart = this.#stopRetry = nothing;
  }
}
