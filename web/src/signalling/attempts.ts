import { nothing, type Clock } from "../time/clock.ts";
import type { Socket } from "./socket.ts";

/** After how long an attempt that is not answered gets another one beside it. */
const BESIDE_AFTER = 1_000;
/** How many are waited for at a time; the oldest makes way. */
const AT_A_TIME = 6;

/** What the attempts need. */
export interface AttemptsOptions {
  clock: Clock;
  random: () => number;
  open: () => Socket;
  /** One was answered. The others are over. */
  answered: (socket: Socket, data: unknown) => void;
  /** Another was begun, because those under way are not answered. */
  unanswered: () => void;
  /** None is left. The close code of the last. */
  failed: (code: number) => void;
}

/**
 * Attempts at a connection. A network that swallows packets answers neither yes nor no, and one attempt
 * repeats its opening packet ever more seldom; so others are begun beside it, and the first that is
 * answered wins.
 */
export class Attempts {
  readonly #options: AttemptsOptions;
  #sockets: Socket[] = [];
  #stopNext = nothing;

  constructor(options: AttemptsOptions) {
    this.#options = options;
  }

  /** Whether one is under way. */
  get active(): boolean {
    return this.#sockets.length > 0;
  }

  /** Begins one now, beside those that are under way. */
  begin(): void {
    const socket = this.#options.open();
    this.#sockets.push(socket);
    if (this.#sockets.length > AT_A_TIME) this.#abandon(this.#sockets.shift());
    socket.onmessage = ({ data }) => {
      if (!this.#sockets.includes(socket)) return;
      this.#sockets = this.#sockets.filter((other) => other !== socket);
      this.stop();
      this.#options.answered(socket, data);
    };
    socket.onclose = ({ code }) => {
      this.#sockets = this.#sockets.filter((other) => other !== socket);
      // A code of ours is an answer to all of them.
      if (this.active && code < 4000) return;
      this.stop();
      this.#options.failed(code);
    };
    this.#stopNext();
    const delay = BESIDE_AFTER * (0.8 + 0.4 * this.#options.random());
    this.#stopNext = this.#options.clock.after(delay, () => {
      this.begin();
      this.#options.unanswered();
    });
  }

  /** Gives all of them up. */
  stop(): void {
    this.#stopNext();
    for (const socket of this.#sockets) this.#abandon(socket);
    this.#sockets = [];
  }

  #abandon(socket: Socket | undefined): void {
    if (socket === undefined) return;
    socket.onmessage = null;
    socket.onclose = null;
    // Not a goodbye: another attempt is this page as well.
    socket.close(3000);
  }
}
