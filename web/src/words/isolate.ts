/** Letters of right-to-left scripts, and bidirectional controls. */
const TURNS = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** Wraps a name in directional isolates if necessary, so that it does not reorder the text around it. */
export function isolated(name: string): string {
  return TURNS.test(name) && !name.startsWith("\u2068") ? `\u2068${name}\u2069` : name;
}

/** Returns the name without isolates. */
export function bare(name: string): string {
  return name.replace(/[\u2068\u2069]/gu, "");
}
