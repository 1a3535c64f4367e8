/** Loads a module by URL. */
export type Load = (address: string) => Promise<unknown>;

/**
 * Shows "Join visit" once the call's script has run in this browser, so that a link is never used up by a browser that
 * cannot continue. The next page loads the script from the cache. If it does not load, the style sheet shows a message
 * after 10 s without any script.
 */
export async function offerJoin(page: ParentNode, load: Load = (address) => import(address)): Promise<void> {
  const form = page.querySelector<HTMLElement>("form[data-join]");
  const address = form?.dataset["script"];
  if (form === null || address === undefined) return;
  try {
    await load(address);
  } catch {
    page.querySelector("[data-join-wait]")?.remove();
    page.querySelector("[data-join-slow]")?.classList.remove("slow");
    return;
  }
  form.hidden = false;
  for (const rest of page.querySelectorAll("[data-join-wait], [data-join-slow]")) rest.remove();
}
