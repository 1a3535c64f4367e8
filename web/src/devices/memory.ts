/** Which devices were chosen last. */
export interface ChosenDevices {
  camera: string;
  microphone: string;
  speaker: string;
}

const KEY = "bedside.devices";
const NONE: ChosenDevices = { camera: "", microphone: "", speaker: "" };

/** Remembers chosen devices in this browser. Where storage is refused, it remembers nothing. */
export class DeviceMemory {
  constructor(private readonly storage: () => Pick<Storage, "getItem" | "setItem">) {}

  /** What was chosen last; empty texts for "the browser's own choice". */
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

  /** Keeps a choice. */
  save(chosen: ChosenDevices): void {
    try {
      this.storage().setItem(KEY, JSON.stringify(chosen));
    } catch {
      // A private window or a full disk: the choice holds for this page.
    }
  }
}
