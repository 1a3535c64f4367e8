import { backOff, nothing, type Clock } from "../time/clock.ts";
import { Attempts } from "./attempts.ts";
import type { Admission, Change, ClientMessage, Command, Refusal, ServerMessage, Timestamp, UserId, View, Watched } from "./messages.ts";
import { CommandQueue } from "./queue.ts";
import type { Socket } from "./socket.ts";

const PING_EVERY = 5_000;
const DEAD_AFTER = 10_000;
/** Close codes: the page ends, or it reconnects and its media continues. */
const GOODBYE = 1000;
const COMING_BACK = 3000;
/** This many attempts follow each other quickly; after that the outage may last. */
const HASTY = 10;
/** Maximum delay in milliseconds between the starts of two attempts, during a short and a long outage. */
const LONGEST_HASTY = 1_500;
const LONGEST = 4_000;
/** How long a connection may be silent after the network changed. */
const PROVE_WITHIN = 1_500;

/**
 * The state of the signalling connection. `open` only after a snapshot, or after missed changes were received. The last
 * five are final until {@link SignallingClient.start} is called again.
 */
export type Transport = "connecting" | "open" | "reconnecting" | "moved" | "signed_out" | "refused" | "broken" | "closed";

/** Messages for the call backend. */
export type MediaMessage = Extract<ServerMessage, { type: "answer" | "media_failed" | "layers" }>;

/** Callbacks of the client. */
export interface SignallingEvents {
  transport(transport: Transport, attempt: number): void;
  snapshot(view: View, now: Timestamp): void;
  changed(changes: readonly Change[]): void;
  acknowledged(command: Command): void;
  refused(command: Command, refusal: Refusal): void;
  media(message: MediaMessage): void;
  /** The active speaker; `null` for none. */
  speaking(user: UserId | null): void;
  /** All pending requests to join from another device. */
  admissions(waiting: readonly Admission[]): void;
  /** The latest time at which the server stops, if it is shutting down; `null` if it is not. */
  stopping(until: Timestamp | null): void;
}

/** The dependencies of the client. */
export interface SignallingOptions {
  url: string;
  socket: (url: string) => Socket;
  clock: Clock;
  random: () => number;
  events: SignallingEvents;
}

/**
 * A page's signalling connection to the server. It reconnects automatically while the page is open, requests missed
 * changes, and sends unanswered commands again with the same IDs. On any inconsistency it discards its state and
 * requests a snapshot.
 */
export class SignallingClient {
  readonly #options: SignallingOptions;
  readonly #queue: CommandQueue;
  readonly #page: string;
  readonly #attempts: Attempts;
  #socket: Socket | null = null;
  /** The last sequence number received, kept across reconnects. */
  #heard: number | null = null;
  /** The sequence number up to which this connection still has to catch up; `null` once it has. */
  #catchingUp: number | null = null;
  /** Up to this number, this connection repeats changes received on another. */
  #repeated = 0;
  #attempt = 0;
  #greeting: Command | null = null;
  #transport: Transport = "closed";
  #stopRetry = nothing;
  #stopPing = nothing;
  #stopWatch = nothing;

  constructor(options: SignallingOptions) {
    const { clock, random, socket } = options;
    this.#options = options;
    this.#page = Math.floor(random() * 2 ** 48).toString(36).padStart(6, "0");
    this.#queue = new CommandQueue(this.#page);
    this.#attempts = new Attempts({
      clock,
      random,
      hasty: () => this.#attempt < HASTY,
      open: (knocks) => socket(this.#address(knocks)),
      answered: (opened, data) => this.#adopt(opened, data),
      unanswered: () => {
        this.#attempt += 1;
        if (this.#socket === null) this.#report("reconnecting");
      },
      failed: (code) => this.#failed(code),
    });
  }

  /** Connects. Also after a final state, if the user asked for it. */
  start(): void {
    if (this.#socket !== null || this.#attempts.active) return;
    this.#attempt = 0;
    this.#heard = null;
    this.#connect("connecting");
  }

  /** Stops permanently. */
  close(): void {
    this.#end("closed");
  }

  /** Queues a command, which is sent now or after the next reconnect until it is answered. */
  command(command: Command): void {
    const id = this.#queue.add(command);
    if (this.#isOpen()) this.#send({ type: "command", id, command });
  }

  /** Whether a command with this name is unanswered. */
  pending(name: Command["name"]): boolean {
    return this.#queue.has(name);
  }

  /** Discards unanswered commands with this name. */
  forget(name: Command["name"]): void {
    this.#queue.drop(name);
  }

  /** Sets the first command after a snapshot, and sends it immediately if there was one. `null` for none. */
  greet(command: Command | null): void {
    this.#greeting = command;
    if (command === null) this.#queue.drop("enter");
    else if (this.#isOpen()) this.command(command);
  }

  /** Sends an SDP offer; `false` if the server cannot be reached now. */
  offer(peer: number, sdp: string): boolean {
    if (!this.#isOpen()) return false;
    this.#send({ type: "offer", peer, sdp });
    return true;
  }

  /** Sends displayed video sizes if the server can be reached now. */
  watch(pictures: Watched[]): void {
    if (this.#isOpen()) this.#send({ type: "watch", pictures });
  }

  /**
   * The network is available again, the page is visible again, or media from the server stopped. The current connection
   * must prove that it works while another one is started beside it; whichever is answered first is used.
   */
  nudge(): void {
    if (this.#socket === null) {
      if (this.#transport === "reconnecting") this.#connect("reconnecting");
    } else if (this.#isOpen() && !this.#attempts.seeking) {
      this.#send({ type: "ping" });
      this.#attempts.begin(true);
      this.#watch(PROVE_WITHIN);
    }
  }

  #isOpen(): boolean {
    return this.#socket !== null && this.#catchingUp === null;
  }

  #address(knocks: boolean): string {
    const { url } = this.#options;
    const after = this.#heard === null ? "" : `&after=${this.#heard}`;
    return `${url}${url.includes("?") ? "&" : "?"}page=${this.#page}${after}${knocks ? "&knock=true" : ""}`;
  }

  #connect(transport: Transport): void {
    this.#stopRetry();
    this.#report(transport);
    this.#attempts.begin();
  }

  /** The first attempt that is answered becomes the connection. */
  #adopt(socket: Socket, data: unknown): void {
    this.#let();
    this.#socket = socket;
    this.#catchingUp = Number.POSITIVE_INFINITY;
    this.#repeated = 0;
    socket.onmessage = ({ data: more }) => {
      if (this.#socket === socket) this.#receive(more);
    };
    socket.onclose = ({ code }) => {
      if (this.#socket === socket) this.#closed(code);
    };
    this.#ping();
    this.#receive(data);
  }

  #ping(): void {
    this.#stopPing();
    this.#stopPing = this.#options.clock.after(PING_EVERY, () => {
      if (this.#isOpen()) this.#send({ type: "ping" });
      this.#ping();
    });
  }

  #watch(milliseconds: number): void {
    this.#stopWatch();
    this.#stopWatch = this.#options.clock.after(milliseconds, () => this.#silent());
  }

  /** The connection has failed. Attempts started beside it continue. */
  #silent(): void {
    if (!this.#attempts.active) return this.#reconnect();
    this.#attempts.unsettle();
    this.#let();
    this.#stopPing();
    this.#report("reconnecting");
  }

  #receive(data: unknown): void {
    this.#watch(DEAD_AFTER);
    this.#attempts.settle();
    const message = parse(data);
    switch (message?.type) {
      case "snapshot":
        this.#begin(message.sequence, message.view, message.now);
        break;
      case "resumed":
        this.#resume(message.sequence, message.latest);
        break;
      case "changed":
        this.#advance(message.sequence, message.changes);
        break;
      case "acknowledged": {
        const command = this.#queue.answered(message.id);
        if (command !== undefined) this.#options.events.acknowledged(command);
        break;
      }
      case "refused": {
        const command = this.#queue.answered(message.id);
        if (command !== undefined) this.#options.events.refused(command, message.refusal);
        break;
      }
      case "answer":
      case "media_failed":
      case "layers":
        this.#options.events.media(message);
        break;
      case "moved":
        this.#end("moved");
        break;
      case "admissions":
        this.#options.events.admissions(message.waiting);
        break;
      case "speaking":
        this.#options.events.speaking(message.user);
        break;
      case "stopping":
        this.#options.events.stopping(message.until);
        break;
      case "pong":
      case "malformed":
      case undefined:
        break;
    }
  }

  /** Processes a snapshot, at first or because too much was missed. */
  #begin(sequence: number, view: View, now: Timestamp): void {
    const socket = this.#socket;
    this.#queue.drop("enter");
    // Before commands are sent again: the owner may discard commands that the snapshot overrides, and commands it
    // queues now come after the greeting.
    this.#options.events.snapshot(view, now);
    if (this.#socket !== socket) return;
    this.#heard = sequence;
    this.#opened(this.#greeting);
  }

  /**
   * Processes a resumption: changes since `sequence` follow. Some may have been received on another connection since
   * the request.
   */
  #resume(sequence: number, latest: number): void {
    if (this.#heard === null || sequence > this.#heard || latest < this.#heard) return this.#startOver();
    this.#catchingUp = latest;
    this.#repeated = this.#heard;
    if (latest === this.#heard) this.#opened(null);
  }

  #opened(greeting: Command | null): void {
    this.#catchingUp = null;
    this.#attempt = 0;
    const unanswered = this.#queue.entries();
    this.#options.events.stopping(null);
    this.#options.events.admissions([]);
    if (greeting !== null) this.command(greeting);
    for (const [id, command] of unanswered) this.#send({ type: "command", id, command });
    this.#report("open");
  }

  #advance(sequence: number, changes: readonly Change[]): void {
    if (sequence <= this.#repeated) return;
    if (this.#heard === null || sequence !== this.#heard + 1) return this.#startOver();
    this.#heard = sequence;
    this.#options.events.changed(changes);
    if (this.#catchingUp === sequence) this.#opened(null);
  }

  #startOver(): void {
    this.#heard = null;
    this.#reconnect();
  }

  #closed(code: number): void {
    const end = finalOf(code);
    if (end !== undefined) return this.#end(end);
    this.#silent();
    // A newer connection of this page has taken over, but not the one in use.
    if (code === 4001 && !this.#attempts.active) this.nudge();
  }

  /** All attempts failed, or one was rejected with a reason. */
  #failed(code: number): void {
    const end = finalOf(code);
    if (end !== undefined) return this.#end(end);
    if (this.#socket === null) this.#retryLater();
  }

  #reconnect(): void {
    this.#drop(COMING_BACK);
    this.#retryLater();
  }

  #retryLater(): void {
    const { clock, random } = this.#options;
    const again = (attempt: number, longest: number): number => backOff(attempt, 250, 1.5, longest, random);
    // A restarting server is back within seconds. During a longer outage, an attempt that took long to fail is followed
    // soon by the next.
    const delay =
      this.#attempt < HASTY
        ? again(this.#attempt, LONGEST_HASTY)
        : Math.max(again(0, LONGEST), again(this.#attempt, LONGEST) - this.#attempts.age);
    this.#attempt += 1;
    this.#stopRetry();
    this.#stopRetry = clock.after(delay, () => this.#connect("reconnecting"));
    this.#report("reconnecting");
  }

  #end(transport: Transport): void {
    this.#drop(GOODBYE);
    this.#report(transport);
  }

  #drop(code: number): void {
    this.#stopRetry();
    this.#stopPing();
    this.#stopWatch();
    this.#attempts.stop();
    this.#let(code);
  }

  /** Releases the current connection. */
  #let(code = COMING_BACK): void {
    const socket = this.#socket;
    this.#socket = null;
    this.#catchingUp = null;
    if (socket === null) return;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close(code);
  }

  #send(message: ClientMessage): void {
    this.#socket?.send(JSON.stringify(message));
  }

  #report(transport: Transport): void {
    this.#transport = transport;
    this.#options.events.transport(transport, this.#attempt);
  }
}

/** Close codes after which a page does not reconnect automatically (see the server's `CloseReason`). */
function finalOf(code: number): Transport | undefined {
  switch (code) {
    case 4000:
      return "moved";
    case 4401:
      return "signed_out";
    case 4002:
    case 4403:
      return "refused";
    case 4409:
      return "broken";
    default:
      return undefined;
  }
}

function parse(data: unknown): ServerMessage | undefined {
  if (typeof data !== "string") return undefined;
  try {
    return JSON.parse(data) as ServerMessage;
  } catch {
    return undefined;
  }
}
