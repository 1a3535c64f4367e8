/** Packets of a connection so far. */
export interface Counters {
  sent: number;
  received: number;
  /** DTLS has ended: nothing can come any more. */
  ended: boolean;
}

/** How long the server may say nothing to a page that sends. It answers media with RTCP every 100 ms or so. */
const SILENT_AFTER = 1_000;
/** So few packets need not have been answered. */
const ANSWERED = 10;

/**
 * Whether the server is still heard. ICE takes seven seconds to say that a path is dead; the packets
 * that do not come any more say it in one.
 */
export class Pulse {
  #received = -1;
  #sent = 0;
  #heard = 0;
  #silent = false;

  /** Reads a measurement. A page that sends nothing is owed nothing: then the last word stands. */
  read(now: number, { sent, received, ended }: Counters): void {
    if (ended) {
      this.#silent = true;
    } else if (received > this.#received) {
      this.#received = received;
      this.#sent = sent;
      this.#heard = now;
      this.#silent = false;
    } else if (sent - this.#sent >= ANSWERED && now - this.#heard >= SILENT_AFTER) {
      this.#silent = true;
    }
  }

  /** Packets that have come, as far as was measured. */
  get received(): number {
    return Math.max(0, this.#received);
  }

  /** Nothing has come for a while, though it should have. */
  get silent(): boolean {
    return this.#silent;
  }

  /** Whether something came within these milliseconds, as far as was measured. */
  heardWithin(now: number, milliseconds: number): boolean {
    return this.#received > 0 && !this.#silent && now - this.#heard <= milliseconds;
  }
}
