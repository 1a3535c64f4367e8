/** Brings a person to the summary of what is wrong with their form. */
export function focusSummary(root: ParentNode): void {
  const summary = root.querySelector<HTMLElement>(".summary");
  if (summary === null) return;
  if (!summary.hasAttribute("tabindex")) summary.tabIndex = -1;
  summary.focus();
}
