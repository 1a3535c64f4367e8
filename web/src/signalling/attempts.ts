import { nothing, type Clock } from "../time/clock.ts";
import type { ClientMessage } from "./messages.ts";
import type { Socket } from "./socket.ts";

/** After how long an unanswered attempt gets another one beside it, and the maximum number of concurrent attempts. */
const HASTY: Pace = { besideAfter: 1_000, atATime: 6 };
/**
 * The same for a longer outage. Chromium counts the WebSockets of a page that failed within six minutes: with n pending
 * and f failed per success, a new one waits up to 5 s / 2^(16 − n − f) before it sends anything.
 */
const PATIENT: Pace = { besideAfter: 4_000, atATime: 3 };
/** How long attempts that sent a message are kept after another one was answered, in milliseconds. */
const SPARE_FOR = 2_000;
/** The message sent on the chosen attempt. The server counts a connection only after its first message. */
const KNOCK = JSON.stringify({ type: "ping" } satisfies ClientMessage);

interface Pace {
  besideAfter: number;
  /** Beyond this number the oldest is closed. */
  atATime: number;
}

/** The dependencies of the attempts. */
export interface AttemptsOptions {
  clock: Clock;
  random: () => number;
  /** Whether the outage is still short. */
  hasty: () => boolean;
  /** Opens a connection. With `knocks`, the server counts it only after the first message. */
  open: (knocks: boolean) => Socket;
  /** An attempt was answered. The others are spare. */
  answered: (socket: Socket, data: unknown) => void;
  /** Another attempt was started because the pending ones are not answered. */
  unanswered: () => void;
  /** All attempts failed; the close code of the last one. */
  failed: (code: number) => void;
}

/**
 * Parallel connection attempts. On a network that drops packets, an attempt neither succeeds nor fails, and TCP
 * retransmits its SYN at growing intervals, so further attempts are started beside it. When the network recovers, all
 * of them get through, and the server would treat the last one as the page. So all but the first stay silent, and the
 * server counts them only after their first message, which the first open one sends. If another one is answered as
 * well, that one is used.
 */
export class Attempts {
  readonly #options: AttemptsOptions;
  #sockets: Socket[] = [];
  /** Open connections on which nothing was sent yet. */
  #silent: Socket[] = [];
  /** Connections that the server counts: a message was sent, or none is needed. */
  #heard = new Set<Socket>();
  /** A message was just sent on one of them. */
  #knocked = false;
  #begun = Number.NEGATIVE_INFINITY;
  #stopNext = nothing;
  #stopSpare: (() => void) | null = null;

  constructor(options: AttemptsOptions) {
    this.#options = options;
  }

  /** Whether an attempt is pending. */
  get active(): boolean {
    return this.#sockets.length > 0;
  }

  /** Whether an attempt is pending, and another is started if it is not answered. */
  get seeking(): boolean {
    return this.active && this.#stopSpare === null;
  }

  /** Milliseconds since the last attempt was started. */
  get age(): number {
    return this.#options.clock.now() - this.#begun;
  }

  /** Starts an attempt now, beside pending ones and beside a connection that is in doubt. */
  begin(beside = this.active): void {
    this.#unspare();
    const socket = this.#options.open(beside);
    this.#sockets.push(socket);
    while (this.#sockets.length > this.#pace.atATime) this.#abandon(this.#sockets[0]);
    this.#begun = this.#options.clock.now();
    if (!beside) this.#heard.add(socket);
    socket.onopen = () => {
      if (!beside) return;
      this.#silent.push(socket);
      this.#knock();
    };
    socket.onmessage = ({ data }) => {
      if (!this.#sockets.includes(socket)) return;
      this.#forget(socket);
      this.settle();
      this.#options.answered(socket, data);
    };
    socket.onclose = ({ code }) => {
      if (this.#heard.has(socket)) this.#knocked = false;
      this.#forget(socket);
      // An application close code from the server applies to all attempts.
      if (this.active && code < 4000) return this.#knock();
      this.stop();
      this.#options.failed(code);
    };
    this.#beginAnotherLater();
  }

  /** An attempt was answered: no more are started. Others that sent a message may still be answered. */
  settle(): void {
    this.#stopNext();
    for (const socket of this.#sockets) if (!this.#heard.has(socket)) this.#abandon(socket);
    if (this.active) this.#stopSpare ??= this.#options.clock.after(SPARE_FOR, () => this.stop());
  }

  /** The answered connection failed after all: the pending ones remain. */
  unsettle(): void {
    this.#unspare();
    this.#beginAnotherLater();
  }

  /** Closes all attempts. */
  stop(): void {
    this.#stopNext();
    this.#unspare();
    this.#knocked = false;
    for (const socket of this.#sockets) this.#abandon(socket);
  }

  #beginAnotherLater(): void {
    this.#stopNext();
    const delay = this.#pace.besideAfter * (0.8 + 0.4 * this.#options.random());
    this.#stopNext = this.#options.clock.after(delay, () => {
      // The one on which a message was sent has not been answered either.
      this.#knocked = false;
      this.#knock();
      this.begin(true);
      this.#options.unanswered();
    });
  }

  get #pace(): Pace {
    return this.#options.hasty() ? HASTY : PATIENT;
  }

  #knock(): void {
    const socket = this.#knocked ? undefined : this.#silent.shift();
    if (socket === undefined) return;
    this.#knocked = true;
    this.#heard.add(socket);
    socket.send(KNOCK);
  }

  #unspare(): void {
    this.#stopSpare?.();
    this.#stopSpare = null;
  }

  #forget(socket: Socket): void {
    this.#sockets = this.#sockets.filter((other) => other !== socket);
    this.#silent = this.#silent.filter((other) => other !== socket);
    this.#heard.delete(socket);
  }

  #abandon(socket: Socket | undefined): void {
    if (socket === undefined) return;
    this.#forget(socket);
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    // Not a goodbye, because another attempt belongs to the same page.
    socket.close(3000);
  }
}
