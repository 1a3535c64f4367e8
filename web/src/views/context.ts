import type { TemplateResult } from "lit";

import type { CallState, Scene } from "../call/state.ts";
import type { CallStore } from "../call/store.ts";
import type { Recovery } from "../devices/recovery.ts";
import type { CompanyPictures } from "./pictures.ts";
import type { Browser } from "../words/browser.ts";

/** The position of the self-view in the call. */
export type Corner = "top-start" | "top-end" | "bottom-start" | "bottom-end";

/** A dialog. */
export type DialogName = "help" | "devices" | "end" | "messages";

/** State of this page only, lost on reload. */
export interface Ui {
  dialog: DialogName | null;
  menu: boolean;
  panel: boolean;
  selfHidden: boolean;
  corner: Corner;
  /** Video of the other participant is arriving. */
  picture: boolean;
  /** The mouse is idle, so the controls may fade. */
  resting: boolean;
  invite: { state: "idle" | "making" | "copied" | "shown" | "failed"; url: string };
  copied: boolean;
  /** The number of the last message read. */
  read: number;
  closing: boolean;
}

/** The input of a view. */
export interface ViewContext {
  state: CallState;
  scene: Scene;
  store: CallStore;
  ui: Ui;
  change: (ui: Partial<Ui>) => void;
  /** The server's current time. */
  now: number;
  /** When patient and provider connected, kept while one of them is away. */
  connectedSince: number | null;
  browser: Browser;
  /** Names of the user and the other participant. */
  names: { self: string; other: string };
  /** The URL of the "back" link for staff, if the page provides one. */
  home: string | null;
  signIn: string;
  /** The companions' videos. */
  pictures: Pick<CompanyPictures, "element" | "shows">;
  /** Whether a tap is needed to capture, and to play audio. */
  recovery: Pick<Recovery, "asks" | "busy" | "soundOnly" | "failure" | "accept">;
  /** Handles that tap. */
  resume: () => void;
  /** The live region for screen readers inside an open dialog, because everything outside it is inert. */
  live: () => TemplateResult;
  chime: () => void;
  invite: () => Promise<void>;
  close: () => void;
}
