type Rules<T> = Record<string, (text: string) => T>;

/** What is used of Trusted Types (W3C), where the browser has them. */
type Factory = { createPolicy(name: string, rules: Rules<string>): Rules<unknown> };

/**
 * Our pages take scripts and markup from named policies alone: what reaches such a place by mistake is refused by the
 * browser. Each policy is for one thing. Browsers without Trusted Types take the text itself.
 */
export function trusted(
  name: string,
  kind: "createHTML" | "createScriptURL",
  make: (text: string) => string,
): (text: string) => string {
  const { trustedTypes } = globalThis as { trustedTypes?: Factory };
  const policy = trustedTypes?.createPolicy(name, { [kind]: make });
  // The DOM's types know strings alone; where a trusted value is wanted, it passes as one.
  return policy === undefined ? make : (text) => policy[kind]?.(text) as string;
}
