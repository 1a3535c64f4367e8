/**
 * What is lost where sound needs more redundancy than the browser's own, which mends losses of one packet; and
 * how long after the last such loss it gets it. More bits for sound are fewer for the picture.
 */
const SOME = 0.1;
const SHELTER = 10_000;
/** What is lost where that is worth another connection. */
const MUCH = 0.16;
/** How much a measurement counts, of two a second: what is lost is taken as a mean over some three seconds. */
const WEIGHT = 0.15;
/** A round trip so much longer than the shortest, in seconds, is a queue: more bits would make it longer. */
const QUEUE = 0.3;

/** Whether packets are lost on the way to the server though there is room to send more. */
export class LossWatch {
  #now = 0;
  #until: number;
  #lost = 0;
  #much = false;
  #shortest = Number.POSITIVE_INFINITY;

  /** @param lossy whether it is known already that some are */
  constructor(lossy: boolean) {
    this.#until = lossy ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  }

  /** Reads what `getStats()` says, twice a second. */
  read(now: number, report: Iterable<Record<string, unknown>>): void {
    let lost = 0;
    // Where packets are lost some round trips are measured much too long; a queue makes all of them long.
    let roundTrip = Number.POSITIVE_INFINITY;
    for (const { type, kind, fractionLost, roundTripTime, currentRoundTripTime } of report) {
      if (type === "remote-inbound-rtp" && kind === "audio" && typeof fractionLost === "number") lost = fractionLost;
      for (const measured of [roundTripTime, currentRoundTripTime]) {
        if (typeof measured === "number" && measured > 0) roundTrip = Math.min(roundTrip, measured);
      }
    }
    this.#now = now;
    this.#shortest = Math.min(this.#shortest, roundTrip);
    const queue = roundTrip - this.#shortest > QUEUE;
    this.#lost += (lost - this.#lost) * WEIGHT;
    this.#much = this.#lost >= MUCH && !queue;
    if (queue) this.#until = Number.NEGATIVE_INFINITY;
    else if (this.#lost >= SOME || this.#until === Number.POSITIVE_INFINITY) this.#until = now + SHELTER;
  }

  /** Some are, or were a moment ago. */
  get some(): boolean {
    return this.#now < this.#until;
  }

  /** Many are. */
  get much(): boolean {
    return this.#much;
  }
}
