import type { Flow, Quality } from "../peer/quality.ts";

/** How a connection is, in a word for its look and a few to read. */
export interface Grade {
  quality: Quality;
  words: string;
}

const RANK: Record<Quality, number> = { unknown: 0, good: 1, weak: 2, lost: 3 };

/** The worse of two. */
export function worse(a: Grade, b: Grade): Grade {
  return RANK[b.quality] > RANK[a.quality] ? b : a;
}

/** A whole connection that is gone. */
export const LOST: Grade = { quality: "lost", words: "Lost" };
/** One that is not there yet. */
export const CONNECTING: Grade = { quality: "unknown", words: "Connecting…" };

/** What sound and picture make together: the worse counts, and is named. */
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
