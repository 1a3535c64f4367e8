import { backOff, nothing, type Clock } from "../time/clock.ts";
import { Attempts } from "./attempts.ts";
import type { Admission, Change, ClientMessage, Command, Refusal, ServerMessage, Timestamp, UserId, View, Watched } from "./messages.ts";
import { CommandQueue } from "./queue.ts";
import type { Socket } from "./socket.ts";

const PING_EVERY = 5_000;
const DEAD_AFTER = 10_000;
/** Close codes: this page ends; it comes back on another connection, and its media go on. */
const GOODBYE = 1000;
const COMING_BACK = 3000;
/** So many attempts follow one another quickly; then it may last. */
const HASTY = 10;
/** The longest delay between two attempts, from beginning to beginning once it lasts. */
const LONGEST_HASTY = 1_500;
const LONGEST = 4_000;
/** How long a connection may be silent after the network changed under it. */
const PROVE_WITHIN = 1_500;

/**
 * How the page reaches the server. `open` only after a snapshot, or after what was missed. The last
 * five are final until {@link SignallingClient.start} is called again.
 */
export type Transport = "connecting" | "open" | "reconnecting" | "moved" | "signed_out" | "refused" | "broken" | "closed";

/** Messages for whoever carries the media. */
export type MediaMessage = Extract<ServerMessage, { type: "answer" | "media_failed" | "layers" }>;

/** What the client tells its owner. */
export interface SignallingEvents {
  transport(transport: Transport, attempt: number): void;
  snapshot(view: View, now: Timestamp): void;
  changed(changes: readonly Change[]): void;
  acknowledged(command: Command): void;
  refused(command: Command, refusal: Refusal): void;
  media(message: MediaMessage): void;
  /** Who speaks now; `null`: nobody. */
  speaking(user: UserId | null): void;
  /** Who asks to come in on another device: all of them. */
  admissions(waiting: readonly Admission[]): void;
  /** The server is about to stop, at that time at the latest; `null`: this one is not. */
  stopping(until: Timestamp | null): void;
}

/** What the client needs. */
export interface SignallingOptions {
  url: string;
  socket: (url: string) => Socket;
  clock: Clock;
  random: () => number;
  events: SignallingEvents;
}

/**
 * One page's conversation with the server. It comes back by itself for as long as the page is open,
 * asks for what it missed, and sends unanswered commands again under their old ids. Where something
 * does not fit it forgets what it heard and asks for the whole state.
 */
export class SignallingClient {
  readonly #options: SignallingOptions;
  readonly #queue: CommandQueue;
  readonly #page: string;
  readonly #attempts: Attempts;
  #socket: Socket | null = null;
  /** The number of the last message that was heard, kept over breaks. */
  #heard: number | null = null;
  /** The number with which this connection has caught up; `null` once it has. */
  #catchingUp: number | null = null;
  /** Up to this number this connection repeats what was heard on another. */
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

  /** Connects; also after a final state, when the person asked for it. */
  start(): void {
    if (this.#socket !== null || this.#attempts.active) return;
    this.#attempt = 0;
    this.#heard = null;
    this.#connect("connecting");
  }

  /** Stops for good. */
  close(): void {
    this.#end("closed");
  }

  /** Gives a command. It is sent now or after the next connect, until it is answered. */
  command(command: Command): void {
    const id = this.#queue.add(command);
    if (this.#isOpen()) this.#send({ type: "command", id, command });
  }

  /** Whether a command of this name has no answer yet. */
  pending(name: Command["name"]): boolean {
    return this.#queue.has(name);
  }

  /** Takes back the commands of a name that have no answer yet. */
  forget(name: Command["name"]): void {
    this.#queue.drop(name);
  }

  /** What to say first to a server that gives its whole state; said at once if there is one. `null`: nothing. */
  greet(command: Command | null): void {
    this.#greeting = command;
    if (command === null) this.#queue.drop("enter");
    else if (this.#isOpen()) this.command(command);
  }

  /** Offers a media connection; `false` if the server cannot be reached now. */
  offer(peer: number, sdp: string): boolean {
    if (!this.#isOpen()) return false;
    this.#send({ type: "offer", peer, sdp });
    return true;
  }

  /** Says how large everyone is shown here, if the server can be reached now. */
  watch(pictures: Watched[]): void {
    if (this.#isOpen()) this.#send({ type: "watch", pictures });
  }

  /**
   * The network or the page came back, or the server is not heard elsewhere. A connection that is there has to
   * prove itself, with another begun beside it; whichever is answered first is the one.
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

  /** The first of the attempts that is answered carries the conversation. */
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

  /** The connection is of no use. What was begun beside it goes on. */
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

  /** The whole state, be it for the first time or because too much was missed. */
  #begin(sequence: number, view: View, now: Timestamp): void {
    const socket = this.#socket;
    this.#queue.drop("enter");
    // Before anything is sent again: the owner may take back what the server's word overrules, and
    // what it gives meanwhile comes after the greeting.
    this.#options.events.snapshot(view, now);
    if (this.#socket !== socket) return;
    this.#heard = sequence;
    this.#opened(this.#greeting);
  }

  /** What was missed since `sequence` follows. Where this was asked some time ago, part of it has been heard since. */
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
    // A newer connection of this page has taken over, but it was not the one that is listened to.
    if (code === 4001 && !this.#attempts.active) this.nudge();
  }

  /** All attempts have failed, or one was answered with a reason. */
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
    // A server that restarts is back in seconds. Later on, an attempt that took its time to fail is followed soon.
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

  /** Lets go of the connection that carries the conversation. */
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

/** Close codes after which a page does not come back by itself (see the server's `CloseReason`). */
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
