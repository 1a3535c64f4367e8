import type { TemplateResult } from "lit";

import type { CallState, Scene } from "../call/state.ts";
import type { CallStore } from "../call/store.ts";
import type { Recovery } from "../devices/recovery.ts";
import type { CompanyPictures } from "./pictures.ts";
import type { Browser } from "../words/browser.ts";

/** Where the self-view is in the call. */
export type Corner = "top-start" | "top-end" | "bottom-start" | "bottom-end";

/** A dialog that can be open. */
export type DialogName = "help" | "devices" | "end" | "messages";

/** What only this page knows: nothing of it survives a reload. */
export interface Ui {
  dialog: DialogName | null;
  menu: boolean;
  panel: boolean;
  selfHidden: boolean;
  corner: Corner;
  /** A picture of the other person is arriving. */
  picture: boolean;
  /** The mouse rests: the controls may fade. */
  resting: boolean;
  invite: { state: "idle" | "making" | "copied" | "shown" | "failed"; url: string };
  copied: boolean;
  /** The number of the last message that was looked at. */
  read: number;
  closing: boolean;
}

/** What a view is drawn from, and what it may do. */
export interface ViewContext {
  state: CallState;
  scene: Scene;
  store: CallStore;
  ui: Ui;
  change: (ui: Partial<Ui>) => void;
  /** The server's time now. */
  now: number;
  /** Since when the two are connected, also while one of them is away. */
  connectedSince: number | null;
  browser: Browser;
  /** Names: this person, and the other. */
  names: { self: string; other: string };
  /** Where "back" goes for staff, if the page said. */
  home: string | null;
  signIn: string;
  /** Everyone else's pictures. */
  pictures: Pick<CompanyPictures, "element" | "shows">;
  /** Whether a tap is needed to be captured, and to hear. */
  recovery: Pick<Recovery, "asks" | "busy" | "soundOnly" | "failure" | "accept">;
  /** That tap. */
  resume: () => void;
  /** What a screen reader is told while a dialog is open: in it, for all around it is inert then. */
  live: () => TemplateResult;
  chime: () => void;
  invite: () => Promise<void>;
  close: () => void;
}
