import { nothing, type Clock } from "../time/clock.ts";

const EVERY = 1_000;
/** Size of the downscaled picture that is examined. */
const WIDTH = 32;
const HEIGHT = 18;
/** Minimum brightness of a lit pixel, of 255; limited-range video starts at 16. */
const LIT = 40;
/** Minimum share of lit pixels for a picture that is not black. */
const SHARE = 0.02;

/** The brightness check of a camera. A dark picture may be due to a dark room or a closed shutter. */
export type Light = "unknown" | "dark" | "seen";

/** Whether the picture shows anything. Pixels are four bytes each: red, green, blue and alpha. */
export function isLit(points: Uint8ClampedArray): boolean {
  let lit = 0;
  for (let at = 0; at + 2 < points.length; at += 4) {
    const brightness = 0.299 * (points[at] ?? 0) + 0.587 * (points[at + 1] ?? 0) + 0.114 * (points[at + 2] ?? 0);
    if (brightness >= LIT) lit += 1;
  }
  return lit >= SHARE * (points.length / 4) && lit > 0;
}

/** Examines the camera's picture until it has shown something. */
export class LightMeter {
  #stop = nothing;
  #canvas: HTMLCanvasElement | null = null;

  /**
   * @param video the element that plays the camera, if any
   * @param found called whenever the result changes
   */
  constructor(
    private readonly clock: Clock,
    private readonly video: () => HTMLVideoElement | null,
    private readonly found: (light: Light) => void,
  ) {}

  /** Examines another camera, or none. */
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
    // Browsers report a size of two pixels before the first frame.
    if (video === null || video.hidden || video.videoWidth <= 2) return "unknown";
    try {
      this.#canvas ??= document.createElement("canvas");
      Object.assign(this.#canvas, { width: WIDTH, height: HEIGHT });
      const context = this.#canvas.getContext("2d", { willReadFrequently: true });
      if (context === null) return "unknown";
      context.drawImage(video, 0, 0, WIDTH, HEIGHT);
      return isLit(context.getImageData(0, 0, WIDTH, HEIGHT).data) ? "seen" : "dark";
    } catch {
      // The browser does not let pages read pictures, so nothing is known.
      return "unknown";
    }
  }
}
