/**
 * Adds a copy button to newly created links and secrets. Without clipboard access, the text is selected for copying
 * with the keyboard.
 */
export function offerToCopy(page: Document): void {
  for (const place of page.querySelectorAll<HTMLElement>("[data-copyable]")) {
    const text = place.querySelector<HTMLElement>("[data-copied-text]");
    const copy = place.querySelector<HTMLElement>("[data-copy-link]");
    const said = place.querySelector<HTMLElement>("[data-copied]");
    if (text === null || copy === null || said === null) continue;
    copy.hidden = false;
    copy.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text instanceof HTMLInputElement ? text.value : text.innerText);
        said.textContent = "Copied.";
      } catch {
        select(text);
        said.textContent = "It is marked: copy it with your keyboard.";
      }
    });
    place.querySelector<HTMLElement>("[data-focus]")?.focus();
  }
}

function select(text: HTMLElement): void {
  if (text instanceof HTMLInputElement) {
    text.focus();
    text.select();
  } else {
    getSelection()?.selectAllChildren(text);
  }
}
