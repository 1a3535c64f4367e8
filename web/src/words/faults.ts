import type { Fault, FaultDevice } from "../devices/fault.ts";
import type { Browser } from "./browser.ts";

/** What happened, and what to do. */
export interface Remedy {
  title: string;
  text: string;
  steps: readonly string[];
}

const NAMES: Record<FaultDevice, string> = {
  camera: "camera",
  microphone: "microphone",
  both: "camera and microphone",
};

/** The sentence and the steps for a device fault, with instructions for the user's browser. */
export function remedy(fault: Fault, browser: Browser): Remedy {
  const device = NAMES[fault.device];
  switch (fault.kind) {
    case "denied":
      return {
        title: `Your browser is blocking the ${device}.`,
        text: "Two steps bring it back:",
        steps: allowSteps(browser, device),
      };
    case "denied_by_system":
      return {
        title: `This device is blocking the ${device}.`,
        text: "The browser itself has no permission yet.",
        steps: [
          `Open this device's settings, then Privacy, and allow the ${device} for your browser.`,
          "Come back here and press Try again.",
        ],
      };
    case "dismissed":
      return {
        title: `We still need your ${device}.`,
        text: "The question was closed before you answered it.",
        steps: ["Press Try again.", "When your browser asks, press Allow."],
      };
    case "in_use":
      return {
        title: `Another app is using your ${device}.`,
        text: "Only one app at a time can have it.",
        steps: ["Close other video apps and other pages with video.", "Press Try again."],
      };
    case "none":
      return {
        title: `We can't find a ${device.replace(" and ", " or a ")}.`,
        text: "If you have one, it may be unplugged or switched off.",
        steps: ["Plug it in, or switch it on.", "Press Try again."],
      };
    case "in_app_browser":
      return {
        title: "This app can't hold a video visit.",
        text: "The link was opened inside another app, which has no camera for pages.",
        steps: [
          "Open the menu of this app (often three dots) and choose “Open in browser”.",
          "Or copy the link into Safari or Chrome.",
        ],
      };
    case "unsupported":
      return {
        title: "This browser can't hold a video visit.",
        text: "It may be too old.",
        steps: ["Open the link in a current Safari, Chrome, Firefox or Edge.", "Or use another phone or computer."],
      };
    case "insecure":
      return {
        title: "This page can't use the camera.",
        text: "Browsers only allow it on a secure page.",
        steps: ["Check that the address begins with https://", "If it does not, ask your clinic for a new link."],
      };
    case "overconstrained":
    case "unknown":
      return {
        title: `The ${device} did not start.`,
        text: "",
        steps: ["Press Try again.", "If it stays like this, restart the browser."],
      };
  }
}

/** Media could not reach the clinic's server for a while. */
export function noPath(browser: Browser): Remedy {
  const firefox = browser === "firefox" ? ["In Firefox, open about:config and set media.peerconnection.ice.proxy_only to false."] : [];
  return {
    title: "Sound and picture can't get through yet.",
    text: "Something between this device and your clinic blocks them. We keep trying. You can do this meanwhile:",
    steps: [
      "Switch off a VPN, or an add-on that hides your address. Then load this page again.",
      ...firefox,
      "Use another network, such as mobile data instead of Wi-Fi.",
      "Open your link in another browser.",
      "If nothing helps, call your clinic by telephone.",
    ],
  };
}

/** A device that was lost during the call. */
export function goneWords(fault: Fault, browser: Browser, other: string): string {
  if (fault.kind !== "none") return remedy(fault, browser).title;
  const back = "Plug it in or switch it on. We'll use it again automatically.";
  switch (fault.device) {
    case "camera":
      return `Your camera is gone, so ${other} can hear you, but not see you. ${back}`;
    case "microphone":
      return `Your microphone is gone, so ${other} can't hear you. ${back}`;
    case "both":
      return `Your camera and microphone are gone, so ${other} can neither see nor hear you. ${back.replace("it comes", "they come").replaceAll(" it ", " them ")}`;
  }
}

function allowSteps(browser: Browser, device: string): readonly string[] {
  const again = "Come back here and press Try again.";
  switch (browser) {
    case "safari-phone":
      return [`Tap the page menu left of the address, then “Website Settings”, and set the ${device} to “Allow”.`, again];
    case "safari-mac":
      return [`In the menu bar choose Safari, “Settings for This Website”, and set the ${device} to “Allow”.`, again];
    case "chrome-phone":
    case "samsung":
      return [`Tap the icon left of the address, then “Permissions”, and allow the ${device}.`, again];
    case "firefox":
      return [`Click the crossed-out camera or microphone left of the address and remove “Blocked”.`, again];
    case "edge":
    case "chrome":
      return [`Click the icon left of the address and switch on the ${device}.`, again];
    case "in-app":
      return [
        "This page is open inside another app, which may keep the camera from it. Open the app's menu (often three dots) and choose “Open in browser”.",
        `If you stay here, allow the ${device} for this app in your phone's settings, then press Try again.`,
      ];
    case "other":
      return [`Open this page's settings beside the address and allow the ${device}.`, again];
  }
}
