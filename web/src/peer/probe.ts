/** What is known of how much a page may send. */
export interface Allowance {
  /** What the picture may take now, in bits a second; `null`: this browser does not say, and nothing is known. */
  picture: number | null;
  /** Whether a picture is being sent at all. */
  sending: boolean;
}

/** The picture has enough from this share of its wish on. */
const ENOUGH = 0.85;
/** How long it may be short before a probe, and how long the next waits after one. */
const SHORT_FOR = 1_500;
const AGAIN_AFTER = 3_000;

/** Says when to find out whether the network carries more than is sent. */
export class ProbeTimer {
  #short = Number.POSITIVE_INFINITY;
  #probed = Number.NEGATIVE_INFINITY;

  /** Reads a measurement; `wish` is what the picture would like. Says whether to probe now. */
  due(now: number, { picture, sending }: Allowance, wish: number): boolean {
    if (!sending || picture === null || picture >= ENOUGH * wish) {
      this.#short = Number.POSITIVE_INFINITY;
      return false;
    }
    this.#short = Math.min(this.#short, now);
    if (now - this.#short < SHORT_FOR || now - this.#probed < AGAIN_AFTER) return false;
    this.#probed = now;
    return true;
  }
}

/**
 * A server's answer with a bound on the section `mid`, in bits a second (RFC 3890). Raising the bound
 * makes libwebrtc send a short burst at that rate and take what arrives of it for the truth, where it
 * would feel its way up by 8 % a second otherwise.
 */
export function bounded(answer: string, mid: string, bits: number): string {
  return answer
    .split(/(?=^m=)/m)
    .map((section) => {
      if (!section.includes(`\r\na=mid:${mid}\r\n`)) return section;
      const plain = section.replace(/^b=.*\r\n/gm, "");
      return plain.replace(/^(m=.*\r\n(?:c=.*\r\n)?)/, `$1b=TIAS:${bits}\r\n`);
    })
    .join("");
}
