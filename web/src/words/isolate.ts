/** Letters of scripts that are written from right to left, and marks that turn the direction. */
const TURNS = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** A name with a frame around it that keeps its direction of writing to itself, so that what stands beside it is read in order. */
export function isolated(name: string): string {
  return TURNS.test(name) && !name.startsWith("\u2068") ? `\u2068${name}\u2069` : name;
}

/** Without the frame. */
export function bare(name: string): string {
  return name.replace(/[\u2068\u2069]/gu, "");
}
