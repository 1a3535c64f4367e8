import { html as plain, noChange, nothing, type TemplateResult } from "lit";
import { Directive, directive, type ChildPart, type DirectiveResult } from "lit/directive.js";

/**
 * Puts text that changes into a text node of its own each time.
 *
 * A browser's translator replaces text nodes by elements. Lit would go on writing into the node that it once made, which
 * is in the page no longer: a button would say "Mute" in another language for good. A new node takes the place of
 * whatever stands there, and the translator translates it anew.
 */
class FreshText extends Directive {
  #shown: string | null = null;

  override render(text: string): unknown {
    return text;
  }

  override update(_: ChildPart, [text]: [string]): unknown {
    if (text === this.#shown) return noChange;
    this.#shown = text;
    return text === "" ? nothing : document.createTextNode(text);
  }
}

const freshText = directive(FreshText);

/** Which values of a template are children, not parts of attributes. */
const children = new WeakMap<TemplateStringsArray, readonly boolean[]>();

function childrenOf(strings: TemplateStringsArray): readonly boolean[] {
  let known = children.get(strings);
  if (known === undefined) {
    let inTag = false;
    known = strings.slice(0, -1).map((text) => {
      const [opens, closes] = [text.lastIndexOf("<"), text.lastIndexOf(">")];
      if (opens !== closes) inTag = opens > closes;
      return !inTag;
    });
    children.set(strings, known);
  }
  return known;
}

/** Lit's `html`, whose texts survive a translator. */
export function html(strings: TemplateStringsArray, ...values: unknown[]): TemplateResult {
  const isChild = childrenOf(strings);
  const kept = values.map((value, at): unknown => {
    const isText = typeof value === "string" || typeof value === "number";
    return isChild[at] === true && isText ? (freshText(String(value)) as DirectiveResult) : value;
  });
  return plain(strings, ...kept);
}
