/** The room that the arrow of a list takes. */
const ARROW = 28;

/** What is chosen stands below its list in full where the list is too narrow for it. */
export function showWhole(page: Document): void {
  const measure = page.createElement("canvas").getContext("2d");
  if (measure === null) return;
  for (const list of page.querySelectorAll<HTMLSelectElement>("select[data-whole]")) {
    const whole = page.createElement("p");
    whole.className = "hint";
    // The list itself is read out in full.
    whole.ariaHidden = "true";
    list.after(whole);
    const update = (): void => {
      const style = getComputedStyle(list);
      measure.font = style.font;
      const room = list.clientWidth - parseFloat(style.paddingInlineStart) - parseFloat(style.paddingInlineEnd) - ARROW;
      const text = list.selectedOptions[0]?.text ?? "";
      whole.hidden = measure.measureText(text).width <= room;
      whole.textContent = text;
    };
    update();
    list.addEventListener("change", update);
    page.defaultView?.addEventListener("resize", update);
  }
}
