/*
 * Shims for globals that do not exist on a server. The bundler replaces the globals by these, so that importing the
 * elements during server-side rendering does nothing instead of throwing.
 */
const shimElement = globalThis.HTMLElement ?? (class {} as unknown as typeof globalThis.HTMLElement);
const shimDocument = globalThis.document ?? ({ createTreeWalker: () => ({}) } as unknown as Document);

export { shimElement as HTMLElement, shimDocument as document };
