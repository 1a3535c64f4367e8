import { backOff, nothing, type Clock } from "../time/clock.ts";
import type { Change, ClientMessage, Command, Refusal, ServerMessage, Timestamp, View } from "./messages.ts";
import { CommandQueue } from "./queue.ts";

const PING_EVERY = 5_000;
const DEAD_AFTER = 10_000;
/** How long a connection may be silent after the network changed under it. */
const PROVE_WITHIN = 2_500;

/**
 * How the page reaches the server. `open` only after a snapshot. The last four are final until
 * {@link SignallingClient.start} is called again.
 */
export type Transport = "connecting" | "open" | "reconnecting" | "moved" | "signed_out" | "refused" | "broken" | "closed";

/** The part of a `WebSocket` that is used. */
export interface Socket {
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

/** Messages for whoever carries the media. */
export type MediaMessage = Extract<ServerMessage, { type: "answer" | "media_failed" }>;

/** What the client tells its owner. */
export interface SignallingEvents {
  transport(transport: Transport, attempt: number): void;
  snapshot(view: View, now: Timestamp): void;
  changed(changes: readonly Change[]): void;
  acknowledged(command: Command): void;
  refused(command: Command, refusal: Refusal): void;
  media(message: MediaMessage): void;
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
 * sends unanswered commands again under their old ids, and asks for a whole new snapshot (by
 * reconnecting) if a change is missing.
 */
export class SignallingClient {
  readonly #options: SignallingOptions;
  readonly #queue: CommandQueue;
  #socket: Socket | null = null;
  #sequence: number | null = null;
  #attempt = 0;
  #greeting: Command | null = null;
  #transport: Transport = "closed";
  #stopRetry = nothing;
  #stopPing = nothing;
  #stopWatch = nothing;

  constructor(options: SignallingOptions) {
    this.#options = options;
    this.#queue = new CommandQueue(Math.floor(options.random() * 2 ** 48).toString(36).padStart(6, "0"));
  }

  /** Connects; also after a final state, when the person asked for it. */
  start(): void {
    if (this.#socket !== null) return;
    this.#attempt = 0;
    this.#connect("connecting");
  }

  /** Stops for good. */
  close(): void {
    this.#end("closed");
  }

  /** Gives a command. It is sent now or after the next connect, until it is answered. */
  command(command: Command): void {
    const id = this.#queue.add(command);
    if (this.#sequence !== null) this.#send({ type: "command", id, command });
  }

  /** Whether a command of this name has no answer yet. */
  pending(name: Command["name"]): boolean {
    return this.#queue.has(name);
  }

  /** Takes back the commands of a name that have no answer yet. */
  forget(name: Command["name"]): void {
    this.#queue.drop(name);
  }

  /** What to say first on every connection; said at once if there is one. `null`: nothing. */
  greet(command: Command | null): void {
    this.#greeting = command;
    if (command === null) this.#queue.drop("enter");
    else if (this.#sequence !== null) this.command(command);
  }

  /** Offers a media connection; `false` if the server cannot be reached now. */
  offer(peer: number, sdp: string): boolean {
    if (this.#sequence === null) return false;
    this.#send({ type: "offer", peer, sdp });
    return true;
  }

  /** The network or the page came back: prove the connection, or make a new one at once. */
  nudge(): void {
    if (this.#transport === "reconnecting" && this.#socket === null) {
      this.#connect("reconnecting");
    } else if (this.#sequence !== null) {
      this.#send({ type: "ping" });
      this.#watch(PROVE_WITHIN);
    }
  }

  #connect(transport: Transport): void {
    this.#stopRetry();
    this.#report(transport);
    const socket = this.#options.socket(this.#options.url);
    this.#socket = socket;
    this.#sequence = null;
    socket.onmessage = ({ data }) => {
      if (this.#socket === socket) this.#receive(data);
    };
    socket.onclose = ({ code }) => {
      if (this.#socket === socket) this.#closed(code);
    };
    this.#watch(DEAD_AFTER);
    this.#ping();
  }

  #ping(): void {
    this.#stopPing();
    this.#stopPing = this.#options.clock.after(PING_EVERY, () => {
      if (this.#sequence !== null) this.#send({ type: "ping" });
      this.#ping();
    });
  }

  #watch(milliseconds: number): void {
    this.#stopWatch();
    this.#stopWatch = this.#options.clock.after(milliseconds, () => this.#reconnect());
  }

  #receive(data: unknown): void {
    this.#watch(DEAD_AFTER);
    const message = parse(data);
    switch (message?.type) {
      case "snapshot":
        this.#opened(message.sequence, message.view, message.now);
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
        this.#options.events.media(message);
        break;
      case "moved":
        this.#end("moved");
        break;
      case "pong":
      case "malformed":
      case undefined:
        break;
    }
  }

  #opened(sequence: number, view: View, now: Timestamp): void {
    const socket = this.#socket;
    this.#attempt = 0;
    this.#queue.drop("enter");
    // Before anything is sent again: the owner may take back what the server's word overrules, and
    // what it gives meanwhile comes after the greeting.
    this.#options.events.snapshot(view, now);
    if (this.#socket !== socket) return;
    this.#sequence = sequence;
    const unanswered = this.#queue.entries();
    if (this.#greeting !== null) this.command(this.#greeting);
    for (const [id, command] of unanswered) this.#send({ type: "command", id, command });
    this.#report("open");
  }

  #advance(sequence: number, changes: readonly Change[]): void {
    if (this.#sequence === null || sequence !== this.#sequence + 1) {
      this.#reconnect();
      return;
    }
    this.#sequence = sequence;
    this.#options.events.changed(changes);
  }

  #closed(code: number): void {
    switch (code) {
      case 4000:
        return this.#end("moved");
      case 4401:
        return this.#end("signed_out");
      case 4403:
        return this.#end("refused");
      case 4409:
        return this.#end("broken");
      default:
        return this.#reconnect();
    }
  }

  #reconnect(): void {
    this.#drop();
    const { clock, random } = this.#options;
    const delay = backOff(this.#attempt, 300, 1.7, 5_000, random);
    this.#attempt += 1;
    this.#stopRetry = clock.after(delay, () => this.#connect("reconnecting"));
    this.#report("reconnecting");
  }

  #end(transport: Transport): void {
    this.#drop();
    this.#report(transport);
  }

  #drop(): void {
    this.#stopRetry();
    this.#stopPing();
    this.#stopWatch();
    const socket = this.#socket;
    this.#socket = null;
    this.#sequence = null;
    if (socket !== null) {
      socket.onmessage = null;
      socket.onclose = null;
      socket.close(1000);
    }
  }

  #send(message: ClientMessage): void {
    this.#socket?.send(JSON.stringify(message));
  }

  #report(transport: Transport): void {
    this.#transport = transport;
    this.#options.events.transport(transport, this.#attempt);
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
