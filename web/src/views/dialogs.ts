import { nothing, type TemplateResult } from "lit";

import type { Device } from "../devices/capture.ts";
import type { ChosenDevices } from "../devices/memory.ts";
import { NO_PATH } from "../call/backend.ts";
import { noPath } from "../words/faults.ts";
import { watches } from "./company.ts";
import type { ViewContext } from "./context.ts";
import { html } from "./html.ts";
import { icon } from "./icons.ts";
import { messages } from "./messages.ts";
import { actButton, button, level, selfPicture, type Part } from "./parts.ts";

/** The open dialog, if any. The element shows it modally. */
export function dialog(context: ViewContext): Part {
  switch (context.ui.dialog) {
    case null:
      return nothing;
    case "help":
      return frame(context, "Help", help(context));
    case "devices":
      return frame(context, "Camera and microphone", devices(context));
    case "messages":
      return frame(context, "Messages", messages(context));
    case "end":
      return frame(context, `End the visit with ${context.names.other}?`, end(context));
  }
}

function frame(context: ViewContext, title: string, content: TemplateResult): TemplateResult {
  return html`<dialog aria-labelledby="dialog-title" @close=${() => context.change({ dialog: null, copied: false })}>
    <div class="dialog__head">
      <h2 id="dialog-title" tabindex="-1" autofocus>${title}</h2>
      <button type="button" class="dialog__close" aria-label="Close" @click=${shut}>${icon("close")}</button>
    </div>
    ${content} ${resumes(context) ? nothing : context.live()}
  </dialog>`;
}

/** Whether a second dialog above this one shows the instructions. */
function resumes({ recovery }: ViewContext): boolean {
  return recovery.asks;
}

function shut(event: Event): void {
  (event.currentTarget as HTMLElement).closest("dialog")?.close();
}

function end(context: ViewContext): TemplateResult {
  if (context.scene === "left") {
    return html`
      <p>This closes the visit for ${context.names.other} too.</p>
      <div class="actions actions--stack" @click=${shut}>
        ${actButton(context, "end", "End for everyone", "danger", "end")} ${button("Keep it open", () => {}, "quiet")}
      </div>
    `;
  }
  return html`
    <p>“End for everyone” closes the visit. “Leave” keeps it open for ${context.names.other}.</p>
    <div class="actions actions--stack" @click=${shut}>
      ${actButton(context, "end", "End for everyone", "danger", "end")} ${actButton(context, "leave", "Leave", "plain", "leave")}
      ${button("Stay", () => {}, "quiet")}
    </div>
  `;
}

function devices(context: ViewContext): TemplateResult {
  const { capture } = context.state;
  const { chosen } = capture;
  return html`
    <div class="devices">
      <div class="self self--dialog">${selfPicture(context)}</div>
      ${picker(context, "Camera", "camera", capture.cameras, chosen.camera || idOf(capture.camera))}
      ${picker(context, "Microphone", "microphone", capture.microphones, chosen.microphone || idOf(capture.microphone))}
      <div class="meter">${icon("mic")}${level()}<span class="meter__word">Speak: the bar moves</span></div>
      ${capture.speakers.length > 1 ? picker(context, "Speaker", "speaker", capture.speakers, chosen.speaker) : nothing}
      <div class="actions">
        ${button("Play a sound", context.chime, "plain", "sound")}
        ${capture.camera === null || capture.microphone === null
          ? button("Try again", () => void context.store.retryDevices())
          : nothing}
      </div>
    </div>
  `;
}

function idOf(track: MediaStreamTrack | null): string {
  return track?.getSettings?.().deviceId ?? "";
}

function picker(
  context: ViewContext,
  label: string,
  name: keyof ChosenDevices,
  list: readonly Device[],
  chosen: string,
): TemplateResult {
  return html`<label class="field">
    <span>${label}</span>
    <select
      ?disabled=${list.length === 0}
      @change=${(event: Event) => void context.store.capture.choose({ [name]: (event.target as HTMLSelectElement).value })}
    >
      ${list.length === 0
        ? html`<option>None found</option>`
        : list.map(
            (device, at) =>
              html`<option value=${device.id} ?selected=${device.id === chosen}>${device.label || `${label} ${at + 1}`}</option>`,
          )}
    </select>
  </label>`;
}

function help(context: ViewContext): TemplateResult {
  const reference = referenceOf(context);
  return html`
    ${remedies(context).map(
      ([question, steps]) =>
        html`<details>
          <summary>${question}</summary>
          <ol class="steps">
            ${steps.map((step) => html`<li>${step}</li>`)}
          </ol>
        </details>`,
    )}
    <div class="reference">
      <p>If you call your clinic about this visit, tell them this reference:</p>
      <p class="reference__code"><code data-select>${reference}</code> ${button(context.ui.copied ? "Copied" : "Copy", () => void copy(context, reference), "quiet", "copy")}</p>
      <span class="vh" role="status">${context.ui.copied ? "Copied" : ""}</span>
    </div>
    <div class="actions">
      ${context.state.lent || watches(context) ? nothing : button("Check camera and microphone", () => context.change({ dialog: "devices" }), "plain", "settings")}
      ${button("Load the page again", () => location.reload(), "plain")}
    </div>
  `;
}

function remedies(context: ViewContext): [string, readonly string[]][] {
  const { other } = context.names;
  const all: [string, readonly string[]][] = [
    [
      `I can't hear ${other}`,
      ["Turn up the volume of your device.", "Unplug headphones, or plug them in again.", "Check that the right speaker is chosen below."],
    ],
    [
      `${other} can't hear me`,
      ["Look whether the button says “Unmute”: then press it.", "Speak, and see whether the green bar moves.", "Check that the right microphone is chosen below."],
    ],
    [
      `${other} can't see me`,
      ["Look whether the button says “Start camera”: then press it.", "Close other apps that use the camera.", "Uncover the camera, and turn on a light in front of you."],
    ],
    [
      "The picture stops or the sound breaks up",
      ["Move closer to your Wi-Fi, or use mobile data.", "Pause downloads and other videos.", "Press “Stop camera”: sound needs far less."],
    ],
  ];
  const path: [string, readonly string[]][] = [["Neither sound nor picture arrives", noPath(context.browser).steps]];
  const now = watches(context) ? all.slice(0, 1) : all;
  // Current problems first.
  return context.state.media.trouble === NO_PATH ? [...path, ...now] : [...now, ...path];
}

function referenceOf({ state }: ViewContext): string {
  const id = state.view?.visit ?? state.appointment?.id ?? "";
  return id.replaceAll("-", "").slice(-8).toUpperCase().replace(/(.{4})(?=.)/, "$1-") || "none yet";
}

async function copy(context: ViewContext, text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    context.change({ copied: true });
  } catch {
    // The reference is short enough to read out.
  }
}
