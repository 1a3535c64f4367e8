import { LitElement, nothing, unsafeCSS, type CSSResultGroup, type PropertyDeclarations, type TemplateResult } from "lit";

import { carried } from "../api/appointment.ts";
import { company, present } from "../call/company.ts";
import { type Scene, inCall, isTogether, publicState } from "../call/state.ts";
import type { CallStore } from "../call/store.ts";
import { speakerToUse } from "../devices/follow.ts";
import { LightMeter } from "../devices/light.ts";
import { LevelMeter } from "../devices/meter.ts";
import { Recovery } from "../devices/recovery.ts";
import type { ParticipantView, Role, UserId } from "../signalling/messages.ts";
import { chime } from "../sound/chime.ts";
import tokens from "../styles/tokens.css" with { type: "fallback" };
import { nothing as idle, systemClock } from "../time/clock.ts";
import { browserOf } from "../words/browser.ts";
import { comings } from "../words/company.ts";
import { deviceWords } from "../words/device.ts";
import { isolated } from "../words/isolate.ts";
import { announcement, title } from "../words/scenes.ts";
import { admissions } from "./admissions.ts";
import { Announcer } from "./announcer.ts";
import type { Ui, ViewContext } from "./context.ts";
import { CornerDrag } from "./corner.ts";
import { dialog } from "./dialogs.ts";
import sheet from "./element.css";
import { html } from "./html.ts";
import { newMessage } from "./messages.ts";
import { notice, type Part } from "./parts.ts";
import { CompanyPictures } from "./pictures.ts";
import { Presence } from "./presence.ts";
import { RemotePicture, type RemoteChange } from "./remote.ts";
import { resume } from "./resume.ts";
import { scene as draw } from "./scene.ts";
import { browserStore } from "./surroundings.ts";

const FRESH: Ui = {
  dialog: null,
  menu: false,
  panel: true,
  selfHidden: false,
  corner: "bottom-end",
  picture: false,
  resting: false,
  invite: { state: "idle", url: "" },
  copied: false,
  read: 0,
  closing: false,
};

/**
 * A video visit in one custom element; the code shared by both roles. It renders the server's state and never infers
 * the stage of a visit.
 *
 * @fires bedside-state detail `{state, stage}` whenever the stage changes
 * @fires bedside-ended once a visit is over for this user
 * @fires bedside-close cancelable, when the user presses "Close"
 */
export abstract class VideoCall extends LitElement {
  static override properties: PropertyDeclarations = {
    appointmentId: { attribute: "appointment-id" },
    currentUserId: { attribute: "current-user-id" },
    currentUserName: { attribute: "current-user-name" },
    baseUrl: { attribute: "base-url" },
    homeUrl: { attribute: "home-url" },
  };

  static override styles: CSSResultGroup = [unsafeCSS(tokens), unsafeCSS(sheet)];

  /** The appointment's ID. */
  declare appointmentId: string;
  /** The user of the page. The server checks it against the session. */
  declare currentUserId: string;
  /** The user's name, for the self-view. */
  declare currentUserName: string;
  /** Origin of the server, if it differs from the page's. */
  declare baseUrl: string;
  /** Target of "Back to my day"; without it there is a "Close" button. */
  declare homeUrl: string;

  /** The role this element is for. */
  protected abstract readonly seat: Role;

  #store: CallStore | null = null;
  #ui: Ui = FRESH;
  #scene: Scene = "loading";
  readonly #announcer = new Announcer();
  /** The last announced scene. */
  #told = "";
  #company: readonly ParticipantView[] | null = null;
  #connectedSince: number | null = null;
  #patientHere = false;
  #heardMessage = 0;
  /** When the other participant came on another device, if it was announced. */
  #deviceChanged: number | null = null;
  #unsent = 0;
  #stopTick = idle;
  #stopRest = idle;
  #remote: RemotePicture | null = null;
  #blocked = false;
  #floor: UserId | null = null;
  readonly #pictures = new CompanyPictures(
    () => this.#onSound(),
    (user, most) => this.#store?.look(user, most),
  );
  #presence: Presence | null = null;
  #recovery: Recovery | null = null;
  /** The focused element before a tap was requested. */
  #focused: HTMLElement | null = null;
  /** Whether there is room for the details beside the video. */
  readonly #wide = globalThis.matchMedia?.("(min-width: 900px)");
  readonly #onWidth = ({ matches }: { matches: boolean }): void => this.#change({ panel: matches });
  readonly #drag = new CornerDrag((corner) => this.#change({ corner }));
  readonly #meter = new LevelMeter(
    systemClock,
    (level) => this.#showLevel(level),
    () => this.#store?.noteHeard(),
  );
  #metered: MediaStreamTrack | null = null;
  readonly #light = new LightMeter(
    systemClock,
    () => this.renderRoot.querySelector<HTMLVideoElement>(".self__video"),
    (light) => this.#store?.noteLight(light),
  );
  #looked: MediaStreamTrack | null = null;

  constructor() {
    super();
    this.appointmentId = "";
    this.currentUserId = "";
    this.currentUserName = "";
    this.baseUrl = "";
    this.homeUrl = "";
  }

  /** The media connection's WebRTC statistics, for diagnostics. */
  async stats(): Promise<RTCStatsReport | undefined> {
    return this.#store?.stats();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#wide?.addEventListener("change", this.#onWidth);
    this.#surround();
    this.#open();
  }

  #surround(): void {
    this.#presence ??= new Presence(
      () => this.#onBack(),
      (visible) => {
        this.#recovery?.show(visible);
        this.#store?.show(visible);
      },
    );
    this.#remote ??= new RemotePicture((change) => this.#onRemote(change), this.seat === "patient");
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#wide?.removeEventListener("change", this.#onWidth);
    // Moving the element within the page must not disconnect it.
    queueMicrotask(() => {
      if (!this.isConnected) this.#shut();
    });
  }

  #identify(changed: Map<PropertyKey, unknown>): void {
    const identity = ["appointmentId", "currentUserId", "baseUrl"].some((name) => changed.has(name));
    if (!identity || !this.isConnected) return;
    if (this.#store === null) {
      this.#open();
    } else if (this.hasUpdated) {
      this.#shut();
      this.#surround();
      this.#open();
    }
  }

  #open(): void {
    if (this.#store !== null || this.appointmentId === "" || this.currentUserId === "") return;
    const store = browserStore({
      role: this.seat,
      appointmentId: this.appointmentId,
      user: this.currentUserId,
      base: this.baseUrl.replace(/\/$/, ""),
      given: this.baseUrl === "" ? carried(this, this.appointmentId) : undefined,
    });
    this.#store = store;
    this.#recovery = new Recovery({
      clock: systemClock,
      health: () => (store.state.here ? store.capture.health(store.state.published) : "absent"),
      rebuild: () => store.capture.rebuild(),
      changed: () => this.#onRecovery(store),
    });
    this.#ui = { ...FRESH, panel: this.#wide?.matches !== false };
    store.subscribe(() => this.#onState());
    this.#onState();
    void store.start();
    this.#tick();
  }

  #shut(): void {
    this.#stopTick();
    this.#stopRest();
    this.#recovery?.close();
    this.#recovery = null;
    this.#store?.close();
    this.#store = null;
    this.#meter.close();
    this.#metered = null;
    this.#light.watch(null);
    this.#looked = null;
    this.#presence?.close();
    this.#remote?.close();
    this.#pictures.close();
    this.#presence = this.#remote = null;
    this.#scene = "loading";
    this.#told = "";
    this.#announcer.clear();
    this.#company = null;
  }

  #onBack(): void {
    this.#store?.nudge();
    this.#meter.wake();
    this.#play();
  }

  #play(): void {
    if (inCall(this.#scene)) void this.#remote?.play();
    this.#pictures.play();
  }

  /** One tap unblocks everyone's audio. */
  #onSound(): void {
    this.#recovery?.sound((this.#blocked && inCall(this.#scene)) || this.#pictures.blocked);
    this.requestUpdate();
  }

  #onRemote({ soundBlocked, picture, most }: RemoteChange): void {
    const other = this.#store?.state.view?.other.user;
    if (most !== undefined && other !== undefined) this.#store?.look(other, most);
    if (soundBlocked !== undefined) {
      this.#blocked = soundBlocked;
      this.#onSound();
    }
    if (picture !== undefined && picture !== this.#ui.picture) this.#change({ picture });
  }

  #onRecovery(store: CallStore): void {
    const word = this.#recovery?.word ?? "live";
    if (this.dataset["capture"] !== word) {
      this.dataset["capture"] = word;
      store.reportCapture(word);
    }
    this.requestUpdate();
  }

  /** Handles the tap. Calls that require a user gesture start before this returns. */
  readonly #resume = (): void => {
    if (this.#recovery?.busy === true) return;
    this.#meter.wake();
    this.#play();
    this.#recovery?.tap();
  };

  #onState(): void {
    const store = this.#store;
    if (store === null) return;
    const { state, scene } = store;
    const before = this.#scene;
    this.#scene = scene;
    this.dataset["stage"] = scene;
    this.dataset["transport"] = state.transport;
    this.#follow(store);
    this.#recovery?.look();
    if (scene !== before) this.#onScene(before, scene);
    this.requestUpdate();
  }

  /** Updates the page around the element for the current state. */
  #follow({ state, scene }: CallStore): void {
    const other = this.#other();
    const stage = state.view?.stage;
    if (stage?.name === "connected") this.#connectedSince = stage.since;
    if (!inCall(scene)) this.#connectedSince = null;
    const speaker = speakerToUse(state.capture.chosen, state.capture.speakers);
    const together = isTogether(state.view, scene);
    if (!together) this.#recovery?.sound(false);
    this.#presence?.title(title(state, scene, other));
    this.#presence?.keepAwake(inCall(scene) || scene === "waiting" || scene === "calling" || scene === "called");
    this.#remote?.show(state.media.remote, inCall(scene) && state.media.surface === null, speaker, other);
    if (state.view !== null) this.#pictures.show(company(state.view), state.media.company, together, speaker);
    if (state.capture.microphone !== this.#metered) {
      this.#metered = state.capture.microphone;
      this.#meter.listen(this.#metered);
    }
    if (state.capture.camera !== this.#looked) {
      this.#looked = state.capture.camera;
      this.#light.watch(this.#looked);
    }
    const here = state.view?.other.presence.name === "here";
    if (this.seat === "provider" && here && !this.#patientHere && scene === "idle") chime();
    this.#patientHere = here;
    const words = announcement(state, scene, other);
    if (words !== "" && words !== this.#told) this.#announcer.say((this.#told = words));
    if (state.view !== null) {
      const now = present(state.view);
      const news = comings(this.#company ?? now, now);
      if (news !== "") this.#announcer.say(news);
      this.#company = now;
      const changed = state.view.other.device_changed;
      if (this.seat === "provider" && changed !== null && changed !== this.#deviceChanged) {
        this.#announcer.say(deviceWords(other, "just now"));
      }
      this.#deviceChanged = changed;
    }
    const said = state.view?.messages.at(-1);
    if (said !== undefined && said.number > this.#heardMessage) {
      this.#heardMessage = said.number;
      if (said.from !== state.view?.you.user) this.#announcer.say(`${state.view?.others.find(({ user }) => user === said.from)?.name ?? other} wrote: ${said.text}`);
    }
    if (state.unsent.length > this.#unsent) this.#announcer.say("Your message was not sent.");
    this.#unsent = state.unsent.length;
  }

  #onScene(before: Scene, scene: Scene): void {
    const state = publicState(this.seat, scene);
    this.dispatchEvent(new CustomEvent("bedside-state", { detail: { state, stage: scene }, bubbles: true, composed: true }));
    if (state === "ended" && publicState(this.seat, before) !== "ended") {
      this.dispatchEvent(new CustomEvent("bedside-ended", { detail: { stage: scene }, bubbles: true, composed: true }));
    }
    if (this.#ui.dialog === "end" || scene === "moved" || scene === "ended") this.#closeDialog();
    this.#ui = { ...this.#ui, menu: false, closing: false };
    const stays = inCall(before) && inCall(scene);
    if (before !== "loading" && !stays) void this.updateComplete.then(() => this.#focusHeading());
  }

  #focusHeading(): void {
    if (this.#ui.dialog !== null || isTyping()) return;
    this.renderRoot.querySelector<HTMLElement>("[data-heading]")?.focus({ preventScroll: true });
  }

  #closeDialog(): void {
    this.renderRoot.querySelector<HTMLDialogElement>("dialog:not(.resume)")?.close();
  }

  #change(ui: Partial<Ui>): void {
    this.#ui = { ...this.#ui, ...ui };
    this.requestUpdate();
  }

  /** Updates displayed durations once a second. */
  #tick(): void {
    this.#stopTick = systemClock.after(1_000, () => {
      const still = this.seat === "patient" && !inCall(this.#scene);
      if (!still) this.requestUpdate();
      this.#tick();
    });
  }

  #showLevel(level: number): void {
    for (const bar of this.renderRoot.querySelectorAll<HTMLElement>("[data-level]")) {
      bar.style.transform = `scaleX(${level.toFixed(2)})`;
    }
  }

  readonly #stir = (): void => {
    if (this.#ui.resting) this.#change({ resting: false });
    this.#meter.wake();
    this.#stopRest();
    this.#stopRest = systemClock.after(4_000, () => this.#change({ resting: true }));
  };

  #other(): string {
    const { view, appointment } = this.#store?.state ?? { view: null, appointment: null };
    const person = this.seat === "patient" ? appointment?.provider : appointment?.patient;
    return view?.other.name ?? (person === undefined ? undefined : isolated(person.name)) ?? (this.seat === "patient" ? "your clinic" : "your patient");
  }

  #context(store: CallStore, recovery: Recovery): ViewContext {
    const { state, scene } = store;
    const path = encodeURIComponent(location.pathname + location.search);
    return {
      state,
      scene,
      store,
      ui: this.#ui,
      change: (ui) => this.#change(ui),
      now: systemClock.now() + state.clockSkew,
      connectedSince: this.#connectedSince,
      browser: browserOf(navigator.userAgent),
      names: { self: isolated(this.currentUserName) || state.view?.you.name || "You", other: this.#other() },
      home: this.homeUrl === "" ? null : this.homeUrl,
      signIn: `${this.baseUrl.replace(/\/$/, "")}/sign-in?next=${path}`,
      pictures: this.#pictures,
      recovery,
      resume: this.#resume,
      live: () => this.#announcer.region("dialog"),
      chime,
      invite: () => this.#invite(store),
      close: () => this.#close(),
    };
  }

  async #invite(store: CallStore): Promise<void> {
    this.#change({ invite: { state: "making", url: "" } });
    let url: string;
    try {
      url = await store.invite();
    } catch {
      this.#change({ invite: { state: "failed", url: "" } });
      return;
    }
    try {
      await navigator.clipboard.writeText(url);
      this.#change({ invite: { state: "copied", url } });
    } catch {
      this.#change({ invite: { state: "shown", url } });
      await this.updateComplete;
      this.renderRoot.querySelector<HTMLInputElement>(".invite input")?.focus();
    }
  }

  #close(): void {
    if (!this.dispatchEvent(new CustomEvent("bedside-close", { bubbles: true, composed: true, cancelable: true }))) return;
    this.#change({ closing: true });
    globalThis.close();
  }

  override updated(): void {
    this.#showDialogs();
    if (this.#ui.dialog === "messages") this.#read();
    this.#showFloor();
  }

  /** Scrolls the last active speaker into view if there are more participants than fit. */
  #showFloor(): void {
    const { floor } = this.#store?.state ?? { floor: null };
    if (floor === this.#floor) return;
    this.#floor = floor;
    this.renderRoot.querySelector(".tile--floor")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  #showDialogs(): void {
    for (const open of this.renderRoot.querySelectorAll("dialog")) {
      if (open.open) {
        // The focused element may be gone, so the next action gets the focus.
        if (open.matches(".resume") && !open.matches(":focus-within")) open.querySelector<HTMLElement>("[autofocus]")?.focus();
        continue;
      }
      if (open.matches(".resume")) this.#focused = deepActive();
      open.showModal();
    }
    if (this.#focused !== null && this.renderRoot.querySelector(".resume") === null) {
      this.#focused.focus({ preventScroll: true });
      this.#focused = null;
    }
  }

  /** Marks displayed messages as read and scrolls to the newest one. */
  #read(): void {
    const last = this.#store?.state.view?.messages.length ?? 0;
    if (last === this.#ui.read) return;
    this.#ui = { ...this.#ui, read: last };
    const list = this.renderRoot.querySelector(".talk");
    if (list !== null) list.scrollTop = list.scrollHeight;
  }

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    this.#identify(changed);
    const modal = this.#ui.dialog !== null || this.#recovery?.asks === true;
    this.#announcer.move(modal ? "dialog" : "page");
  }

  override render(): TemplateResult {
    if (this.#store === null || this.#remote === null || this.#recovery === null) {
      return html`<slot></slot>`;
    }
    const context = this.#context(this.#store, this.#recovery);
    const known = context.state.part === "patient";
    if (context.scene === "loading" && this.childElementCount > 0 && !known) {
      // The server-rendered content is better than a spinner.
      return html`<div class="frame"><slot></slot>${this.#remote.element}${this.#announcer.region("page")}</div>`;
    }
    const { scene } = context;
    const calls = inCall(scene);
    const dropped = !calls && this.#store.state.transport === "reconnecting" && scene !== "problem";
    return html`
      <div
        class="frame ${calls ? "frame--call" : ""} ${calls && this.#ui.resting && !this.#ui.menu ? "frame--resting" : ""} ${this.#ui.panel && this.seat === "provider" ? "frame--panel" : ""}"
        @pointermove=${this.#stir}
        @pointerdown=${this.#stir}
        @keydown=${this.#stir}
      >
        ${dropped ? notice("Your connection dropped. Getting you back…") : nothing}
        ${stopping(context)} ${admissions(context)} ${calls ? nothing : newMessage(context)} ${this.#remote.element}
        ${this.#store.state.media.surface ?? nothing} ${draw(context, this.#drag)}
      </div>
      ${dialog(context)} ${resume(context)} ${this.#announcer.region("page")}
    `;
  }
}

/** A notice that the server restarts soon. Visits under way continue automatically. */
function stopping({ state, scene }: ViewContext): Part {
  if (state.stopping === null || state.transport !== "open") return nothing;
  if (!inCall(scene)) return notice("The clinic's system is about to restart. This page reconnects automatically.", "warn");
  const words = "The clinic's system is about to restart. Your visit may pause for a few seconds and then continues.";
  return html`<div class="stage__notice">${notice(words, "warn")}</div>`;
}

function deepActive(): HTMLElement | null {
  let active: Element | null = document.activeElement;
  while (active?.shadowRoot?.activeElement != null) active = active.shadowRoot.activeElement;
  return active instanceof HTMLElement ? active : null;
}

function isTyping(): boolean {
  const active = deepActive();
  return active !== null && active.matches("input, textarea, select, [contenteditable]");
}
