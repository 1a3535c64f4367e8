/** A source of time that tests can replace. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Runs a function later; the returned function cancels it. */
  after(milliseconds: number, run: () => void): () => void;
}

/** The browser's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds);
    return () => clearTimeout(timer);
  },
};

/** Does nothing: for a timer that is not running. */
export const nothing = (): void => {};

/**
 * Returns the exponential back-off for `attempt` (from 0) with a jitter of ±30 %, so that not all pages reconnect at
 * the same moment.
 */
export function backOff(attempt: number, first: number, factor: number, longest: number, random: () => number): number {
  const delay = Math.min(longest, first * factor ** Math.min(attempt, 50));
  return delay * (0.7 + 0.6 * random());
}
