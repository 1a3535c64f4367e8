import { nothing, type Clock } from "../time/clock.ts";
import type { ClientMessage } from "./messages.ts";
import type { Socket } from "./socket.ts";

/** After how long an attempt that is not answered gets another one beside it, and how many are waited for at a time. */
const HASTY: Pace = { besideAfter: 1_000, atATime: 6 };
/**
 * Once it lasts. Chromium counts the WebSockets of a page that came to nothing within six minutes: with n of them
 * under way and f failed for each that did not, a new one waits up to 5 s / 2^(16 − n − f) before it sends anything.
 */
const PATIENT: Pace = { besideAfter: 4_000, atATime: 3 };
/** How long those that have knocked are kept once one was answered. */
const SPARE_FOR = 2_000;
/** What is said on the attempt that is chosen: the server lets in only those that say something. */
const KNOCK = JSON.stringify({ type: "ping" } satisfies ClientMessage);

interface Pace {
  besideAfter: number;
  /** The oldest makes way. */
  atATime: number;
}

/** What the attempts need. */
export interface AttemptsOptions {
  clock: Clock;
  random: () => number;
  /** Whether the search is young. */
  hasty: () => boolean;
  /** Opens a connection; one that knocks counts to the server only once something is said on it. */
  open: (knocks: boolean) => Socket;
  /** One was answered. The others are spare. */
  answered: (socket: Socket, data: unknown) => void;
  /** Another was begun, because those under way are not answered. */
  unanswered: () => void;
  /** None is left. The close code of the last. */
  failed: (code: number) => void;
}

/**
 * Attempts at a connection. A network that swallows packets answers neither yes nor no, and one attempt
 * repeats its opening packet ever more seldom; so others are begun beside it. When the network is back, all of
 * them get through, and to the server the last is the page: so those beside the first are silent, and count
 * only when they knock, which the first that is open does. Should one more be answered, it is the page.
 */
export class Attempts {
  readonly #options: AttemptsOptions;
  #sockets: Socket[] = [];
  /** Those that are open, but silent. */
  #silent: Socket[] = [];
  /** Those that the server answers: they have knocked, or need not. */
  #heard = new Set<Socket>();
  /** One has knocked just now. */
  #knocked = false;
  #begun = Number.NEGATIVE_INFINITY;
  #stopNext = nothing;
  #stopSpare: (() => void) | null = null;

  constructor(options: AttemptsOptions) {
    this.#options = options;
  }

  /** Whether one is under way. */
  get active(): boolean {
    return this.#sockets.length > 0;
  }

  /** Whether one is under way, and another is begun if it is not answered. */
  get seeking(): boolean {
    return this.active && this.#stopSpare === null;
  }

  /** How long ago the last was begun, in milliseconds. */
  get age(): number {
    return this.#options.clock.now() - this.#begun;
  }

  /** Begins one now, beside those that are under way, and beside a connection that is in doubt. */
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
      // A code of ours is an answer to all of them.
      if (this.active && code < 4000) return this.#knock();
      this.stop();
      this.#options.failed(code);
    };
    this.#beginAnotherLater();
  }

  /** There is an answer: nothing more is begun. What has knocked may be answered too. */
  settle(): void {
    this.#stopNext();
    for (const socket of this.#sockets) if (!this.#heard.has(socket)) this.#abandon(socket);
    if (this.active) this.#stopSpare ??= this.#options.clock.after(SPARE_FOR, () => this.stop());
  }

  /** The answer was of no use after all: those under way are what there is. */
  unsettle(): void {
    this.#unspare();
    this.#beginAnotherLater();
  }

  /** Gives all of them up. */
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
      // The one that knocked has not been answered either.
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
    // Not a goodbye: another attempt is this page as well.
    socket.close(3000);
  }
}
