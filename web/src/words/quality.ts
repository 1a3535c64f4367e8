import type { Flow, Quality } from "../peer/quality.ts";

/** The quality of a connection with its display text. */
export interface Grade {
  quality: Quality;
  words: string;
}

const RANK: Record<Quality, number> = { unknown: 0, good: 1, weak: 2, lost: 3 };

/** Returns the worse of two. */
export function worse(a: Grade, b: Grade): Grade {
  return RANK[b.quality] > RANK[a.quality] ? b : a;
}

/** A connection that is lost. */
export const LOST: Grade = { quality: "lost", words: "Lost" };
/** A connection that is not established yet. */
export const CONNECTING: Grade = { quality: "unknown", words: "Connecting…" };

/** Combines audio and video: the worse one counts and is named. */
export function grade({ sound, picture }: Flow, of: "you" | "other"): Grade {
  const words = [sound, picture].filter((word) => word !== null);
  const quality = words.reduce<Quality | null>((worst, word) => (worst === null || RANK[word] > RANK[worst] ? word : worst), null) ?? "good";
  switch (quality) {
    case "unknown":
      return CONNECTING;
    case "good":
      return { quality, words: "Good" };
    case "weak":
      return { quality, words: sound === "weak" ? "Weak: sound may break up" : "Weak: picture reduced" };
    case "lost":
      return { quality, words: missing(sound === "lost", picture === "lost", of) };
  }
}

function missing(sound: boolean, picture: boolean, of: "you" | "other"): string {
  const what = sound && picture ? "sound and picture" : sound ? "sound" : "picture";
  if (of === "you") return `Your ${what} ${sound && picture ? "don't" : "doesn't"} get through`;
  return `No ${what.replace(" and ", " or ")} arriving`;
}
