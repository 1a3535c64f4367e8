/*
 * Stand-ins for what a server has not, put in place of the globals when bundling, so that importing
 * the elements on a server (as frameworks do while rendering) does nothing instead of throwing.
 */
const shimElement = globalThis.HTMLElement ?? (class {} as unknown as typeof globalThis.HTMLElement);
const shimDocument = globalThis.document ?? ({ createTreeWalker: () => ({}) } as unknown as Document);

export { shimElement as HTMLElement, shimDocument as document };
