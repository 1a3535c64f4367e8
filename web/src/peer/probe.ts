/** The current send bandwidth. */
export interface Allowance {
  /** The target bit rate of video in bits per second; `null` if the browser does not report it. */
  picture: number | null;
  /** Whether video is being sent. */
  sending: boolean;
}

/** Video has enough bandwidth from this share of its desired bit rate. */
const ENOUGH = 0.85;
/** How long bandwidth may be insufficient before a probe, and the interval between probes. */
const SHORT_FOR = 1_500;
const AGAIN_AFTER = 3_000;

/** Decides when to probe whether the network carries more than is sent. */
export class ProbeTimer {
  #short = Number.POSITIVE_INFINITY;
  #probed = Number.NEGATIVE_INFINITY;

  /** Processes a measurement and returns whether to probe now; `wish` is the desired bit rate of video. */
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
 * Returns the server's answer with a bandwidth limit for the section `mid` in bits per second (RFC 3890). When the
 * limit is raised, libwebrtc sends a short burst at that rate and adopts the delivered rate as its estimate, instead of
 * increasing it by 8 % per second.
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
