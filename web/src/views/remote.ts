import { layerFor } from "../peer/layers.ts";
import type { Layer } from "../signalling/messages.ts";
import { nothing, systemClock } from "../time/clock.ts";

/** Cropping away more of a picture than this would lose the patient's hands, or the doctor's face. */
const MOST_CROPPED = 0.34;

/** A picture that has stood still for so many looks is none; a look a second. */
const STILL = 4;

/** What the page learns of a person's picture. */
export interface RemoteChange {
  picture?: boolean;
  soundBlocked?: boolean;
  /** How large it is shown. */
  most?: Layer;
}

/**
 * The one element that plays a person, sound and picture, for the whole visit: browsers that
 * allowed it to play once allow it again.
 */
export class RemotePicture {
  readonly element: HTMLVideoElement;
  readonly #resize: ResizeObserver;
  #on = false;
  #frames = 0;
  #still = 0;
  #stopLooking = nothing;

  /**
   * @param crops a wide picture may be cut to a square on an upright phone, so that a face is a face:
   * for the patient, who looks at a head and shoulders, not for the provider, who looks at everything
   */
  constructor(
    private readonly changed: (change: RemoteChange) => void,
    private readonly crops: boolean,
  ) {
    const video = document.createElement("video");
    video.className = "remote";
    video.autoplay = true;
    video.playsInline = true;
    video.hidden = true;
    video.addEventListener("resize", this.#fit);
    video.addEventListener("playing", this.#played);
    video.addEventListener("pause", this.#paused);
    this.element = video;
    this.#resize = new ResizeObserver(this.#fit);
    this.#resize.observe(video);
  }

  /** Plays what there is while `on`. */
  show(stream: MediaStream | null, on: boolean, speaker: string, name: string): void {
    const { element } = this;
    if (element.getAttribute("aria-label") !== name) element.setAttribute("aria-label", name);
    const fresh = element.srcObject !== stream;
    if (fresh) element.srcObject = stream;
    element.hidden = !on;
    if (element.sinkId !== undefined && element.sinkId !== speaker) {
      void element.setSinkId(speaker).catch(() => {});
    }
    if (on && (fresh || !this.#on)) void this.play();
    if (on && !this.#on) this.#look();
    if (!on) this.#stopLooking();
    this.#on = on;
  }

  /** Plays; where the browser wants a tap first, the page shows a button for it. */
  async play(): Promise<void> {
    if (this.element.srcObject === null) return;
    try {
      await this.element.play();
      this.changed({ soundBlocked: false });
    } catch (error) {
      if (error instanceof DOMException && error.name === "NotAllowedError") this.changed({ soundBlocked: true });
    }
  }

  /** Stops. */
  close(): void {
    this.#on = false;
    this.#stopLooking();
    this.#resize.disconnect();
    this.element.srcObject = null;
    this.element.remove();
  }

  readonly #played = (): void => {
    this.changed({ soundBlocked: false });
    this.#fit();
  };

  /** Nobody is shown a frozen face: what stands still gives way to words. */
  #look(): void {
    this.#stopLooking();
    this.#stopLooking = systemClock.after(1_000, () => {
      const frames = this.element.getVideoPlaybackQuality?.().totalVideoFrames ?? 0;
      const moves = frames !== this.#frames || document.visibilityState !== "visible";
      this.#frames = frames;
      this.#still = moves ? 0 : this.#still + 1;
      if (frames > 0) this.changed({ picture: this.#there && this.#still < STILL });
      this.#look();
    });
  }

  get #there(): boolean {
    return this.element.videoWidth > 2;
  }

  /** Nobody here pauses it: a phone call does, or pulled headphones. */
  readonly #paused = (): void => {
    if (this.#on && document.visibilityState === "visible") void this.play();
  };

  readonly #fit = (): void => {
    const { videoWidth, videoHeight } = this.element;
    const { clientWidth, clientHeight } = this.element.parentElement ?? this.element;
    const { clientWidth: width, clientHeight: height } = this.element;
    if (width > 0) this.changed({ most: layerFor(width, height, devicePixelRatio) });
    this.changed({ picture: this.#there && this.#still < STILL });
    if (videoWidth === 0 || clientHeight === 0) return;
    const picture = videoWidth / videoHeight;
    const frame = clientWidth / clientHeight;
    const cropped = 1 - Math.min(picture / frame, frame / picture);
    const whole = cropped > MOST_CROPPED;
    const square = whole && this.crops && frame < 1 && picture > 1;
    this.element.classList.toggle("remote--whole", whole && !square);
    this.element.classList.toggle("remote--square", square);
  };
}
