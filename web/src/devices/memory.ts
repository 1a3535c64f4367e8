/** The devices chosen last. */
export interface ChosenDevices {
  camera: string;
  microphone: string;
  speaker: string;
}

const KEY = "bedside.devices";
const NONE: ChosenDevices = { camera: "", microphone: "", speaker: "" };

/** Remembers chosen devices in this browser, if storage is available. */
export class DeviceMemory {
  constructor(private readonly storage: () => Pick<Storage, "getItem" | "setItem">) {}

  /** Returns the devices chosen last; empty strings for the browser's default. */
  load(): ChosenDevices {
    try {
      const saved: unknown = JSON.parse(this.storage().getItem(KEY) ?? "{}");
      if (typeof saved !== "object" || saved === null) return NONE;
      const of = (name: keyof ChosenDevices): string => {
        const value = (saved as Record<string, unknown>)[name];
        return typeof value === "string" ? value : "";
      };
      return { camera: of("camera"), microphone: of("microphone"), speaker: of("speaker") };
    } catch {
      return NONE;
    }
  }

  /** Saves a choice. */
  save(chosen: ChosenDevices): void {
    try {
      this.storage().setItem(KEY, JSON.stringify(chosen));
    } catch {
      // In a private window or with a full disk, the choice applies to this page only.
    }
  }
}
