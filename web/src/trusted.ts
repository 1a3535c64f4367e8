type Rules<T> = Record<string, (text: string) => T>;

/** The part of Trusted Types (W3C) that is used, if the browser supports it. */
type Factory = { createPolicy(name: string, rules: Rules<string>): Rules<unknown> };

/**
 * Creates a Trusted Types policy. Pages accept scripts and markup from named policies only, so that the browser blocks
 * any other injection. Each policy has a single purpose. Browsers without Trusted Types use the plain string.
 */
export function trusted(
  name: string,
  kind: "createHTML" | "createScriptURL",
  make: (text: string) => string,
): (text: string) => string {
  const { trustedTypes } = globalThis as { trustedTypes?: Factory };
  const policy = trustedTypes?.createPolicy(name, { [kind]: make });
  // TypeScript's DOM types only know strings, so a trusted value is cast to one.
  return policy === undefined ? make : (text) => policy[kind]?.(text) as string;
}
