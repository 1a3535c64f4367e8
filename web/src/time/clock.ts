/** Time as the modules see it, so that a test can turn it by hand. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Runs something later; the result takes it back. */
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

/** Does nothing: a timer that is not running. */
export const nothing = (): void => {};

/**
 * How long to wait before attempt `attempt` (from 0): a growing delay with a jitter of ±30 %, so
 * that a room full of pages does not come back in one moment.
 */
export function backOff(attempt: number, first: number, factor: number, longest: number, random: () => number): number {
  const delay = Math.min(longest, first * factor ** Math.min(attempt, 50));
  return delay * (0.7 + 0.6 * random());
}
