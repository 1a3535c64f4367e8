import type { CometChatAccess } from "../../api/appointment.ts";
import { NO_MEDIA, type BackendContext, type CallBackend, type MediaState, type MediaWish } from "../backend.ts";
import { UNKNOWN } from "../../peer/quality.ts";
import type { Order, Report } from "./protocol.ts";
import { CometChatSession } from "./session.ts";

/** Calls over the clinic's CometChat account. Its SDKs run in a separate document in an iframe. */
class CometChat implements CallBackend {
  /** The SDK captures camera and microphone itself. */
  readonly captures = true;
  readonly #context: BackendContext;
  readonly #session: CometChatSession;
  readonly #frame: string;
  #surface: HTMLIFrameElement | null = null;
  #port: MessagePort | null = null;
  #state: MediaState = NO_MEDIA;

  constructor(context: BackendContext, access: CometChatAccess) {
    const { clock, random, role } = context;
    const [self, other] = role === "provider" ? [access.providerUid, access.patientUid] : [access.patientUid, access.providerUid];
    const { appId, region, clientHost, ringSeconds } = access;
    this.#context = context;
    this.#frame = access.frame;
    this.#session = new CometChatSession(
      { self, other, calls: role === "provider", ringSeconds, app: { appId, region, clientHost } },
      {
        clock,
        random,
        load: () => this.#load(),
        unload: () => this.#unload(),
        order: (order) => this.#port?.postMessage(order satisfies Order),
        token: (fresh) => context.callToken(fresh),
        stranger: () => context.stranger(),
        changed: () => this.#follow(),
      },
    );
  }

  get state(): MediaState {
    return this.#state;
  }

  update({ present, connected, otherReady, published }: MediaWish): void {
    this.#session.update({ present, connected, otherReady, media: published });
  }

  /** Its media does not pass through Bedside's server. */
  reachable(): void {}

  receive(): void {}

  async stats(): Promise<undefined> {
    return undefined;
  }

  close(): void {
    this.#session.close();
  }

  #load(): void {
    this.#unload();
    const frame = document.createElement("iframe");
    frame.className = "surface";
    frame.title = "Call";
    frame.allow = "camera; microphone; display-capture; autoplay; fullscreen";
    frame.src = this.#context.base + this.#frame;
    frame.addEventListener("load", () => this.#connect(frame));
    this.#surface = frame;
    this.#follow();
  }

  /** Messages at a replaced port come from a document that has been removed. */
  #connect(frame: HTMLIFrameElement): void {
    if (frame !== this.#surface) return;
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }: MessageEvent<Report>) => {
      if (port1 === this.#port) this.#session.receive(data);
    };
    this.#port = port1;
    frame.contentWindow?.postMessage("bedside", new URL(frame.src).origin, [port2]);
  }

  #unload(): void {
    this.#port?.close();
    this.#port = null;
    this.#surface?.remove();
    this.#surface = null;
    this.#follow();
  }

  #follow(): void {
    const { link, ready, shows, trouble } = this.#session;
    this.#surface?.classList.toggle("surface--shown", shows);
    const quality = link === "lost" ? { ...UNKNOWN, you: { sound: "lost", picture: "lost" } as const } : UNKNOWN;
    const before = this.#state;
    this.#state = { link, ready, remote: null, company: NO_MEDIA.company, surface: this.#surface, shows, trouble, quality };
    const same = before.link === link && before.ready === ready && before.shows === shows && before.trouble === trouble;
    if (!same || before.surface !== this.#surface) this.#context.changed();
  }
}

/** Creates the backend if a CometChat account is configured. */
export const createCometChat = (context: BackendContext): CallBackend => {
  const access = context.appointment.call.cometchat;
  if (access === undefined) throw new Error("There is no CometChat here.");
  return new CometChat(context, access);
};
