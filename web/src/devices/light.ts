import { nothing, type Clock } from "../time/clock.ts";

const EVERY = 1_000;
/** A picture is looked at in so many points. */
const WIDTH = 32;
const HEIGHT = 18;
/** A point is lit from this brightness on, of 255; limited video begins at 16. */
const LIT = 40;
/** A picture is one if so large a share of its points is lit. */
const SHARE = 0.02;

/** What is known of what a camera delivers. A dark picture may be a dark room, or a closed shutter. */
export type Light = "unknown" | "dark" | "seen";

/** Whether there is anything to see in these points, of four bytes each: red, green, blue and alpha. */
export function isLit(points: Uint8ClampedArray): boolean {
  let lit = 0;
  for (let at = 0; at + 2 < points.length; at += 4) {
    const brightness = 0.299 * (points[at] ?? 0) + 0.587 * (points[at + 1] ?? 0) + 0.114 * (points[at + 2] ?? 0);
    if (brightness >= LIT) lit += 1;
  }
  return lit >= SHARE * (points.length / 4) && lit > 0;
}

/** Looks at a camera's own picture until it was seen to show something. */
export class LightMeter {
  #stop = nothing;
  #canvas: HTMLCanvasElement | null = null;

  /**
   * @param video what plays the camera, if anything does
   * @param found called with each look that says something new
   */
  constructor(
    private readonly clock: Clock,
    private readonly video: () => HTMLVideoElement | null,
    private readonly found: (light: Light) => void,
  ) {}

  /** Looks at another camera's picture, or at none. */
  watch(track: MediaStreamTrack | null): void {
    this.#stop();
    this.#stop = nothing;
    if (track !== null) this.#later();
  }

  #later(): void {
    this.#stop = this.clock.after(EVERY, () => {
      const light = this.#look();
      if (light !== "unknown") this.found(light);
      if (light !== "seen") this.#later();
    });
  }

  #look(): Light {
    const video = this.video();
    // Two pixels are what a browser shows before the first picture.
    if (video === null || video.hidden || video.videoWidth <= 2) return "unknown";
    try {
      this.#canvas ??= document.createElement("canvas");
      Object.assign(this.#canvas, { width: WIDTH, height: HEIGHT });
      const context = this.#canvas.getContext("2d", { willReadFrequently: true });
      if (context === null) return "unknown";
      context.drawImage(video, 0, 0, WIDTH, HEIGHT);
      return isLit(context.getImageData(0, 0, WIDTH, HEIGHT).data) ? "seen" : "dark";
    } catch {
      // A browser that lets no page read pictures: nothing is known.
      return "unknown";
    }
  }
}
