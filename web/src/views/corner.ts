import type { Corner } from "./context.ts";

const ORDER: readonly Corner[] = ["bottom-end", "bottom-start", "top-start", "top-end"];

/** The next corner, for moving the self-view without dragging. */
export function nextCorner(corner: Corner): Corner {
  return ORDER[(ORDER.indexOf(corner) + 1) % ORDER.length] ?? "bottom-end";
}

/** Drags the self-view, which snaps to the nearest corner of its frame when released. */
export class CornerDrag {
  constructor(private readonly moved: (corner: Corner) => void) {}

  /** For `pointerdown`. */
  readonly start = (event: PointerEvent): void => {
    const element = event.currentTarget;
    if (!(element instanceof HTMLElement) || event.button !== 0) return;
    const from = { x: event.clientX, y: event.clientY };
    const drag = (move: PointerEvent): void => {
      element.style.transform = `translate(${move.clientX - from.x}px, ${move.clientY - from.y}px)`;
    };
    const drop = (): void => {
      element.removeEventListener("pointermove", drag);
      element.removeEventListener("pointerup", drop);
      element.removeEventListener("pointercancel", drop);
      const far = element.style.transform !== "";
      const corner = nearest(element);
      element.style.transform = "";
      if (far) this.moved(corner);
    };
    element.setPointerCapture(event.pointerId);
    element.addEventListener("pointermove", drag);
    element.addEventListener("pointerup", drop);
    element.addEventListener("pointercancel", drop);
  };
}

function nearest(element: HTMLElement): Corner {
  const frame = (element.offsetParent ?? element).getBoundingClientRect();
  const box = element.getBoundingClientRect();
  const left = box.left + box.width / 2 < frame.left + frame.width / 2;
  const top = box.top + box.height / 2 < frame.top + frame.height / 2;
  const rtl = getComputedStyle(element).direction === "rtl";
  return `${top ? "top" : "bottom"}-${left === rtl ? "end" : "start"}`;
}
