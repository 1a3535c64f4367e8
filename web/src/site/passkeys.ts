/** What the server says in its options: WebAuthn's own members, with bytes as base64url. */
type Described = { readonly id: string; readonly type: PublicKeyCredentialType; readonly transports?: AuthenticatorTransport[] };
type Creation = Omit<PublicKeyCredentialCreationOptions, "challenge" | "user" | "excludeCredentials"> & {
  readonly challenge: string;
  readonly user: { readonly id: string; readonly name: string; readonly displayName: string };
  readonly excludeCredentials?: readonly Described[];
};
type Request = Omit<PublicKeyCredentialRequestOptions, "challenge" | "allowCredentials"> & { readonly challenge: string };

/** Shows what passkeys are offered with, where the browser has them, and makes it work. */
export function offerPasskeys(page: Document): void {
  if (globalThis.PublicKeyCredential === undefined || !isSecureContext) return;
  for (const element of page.querySelectorAll<HTMLElement>("[data-passkey]")) element.hidden = false;
  for (const element of page.querySelectorAll<HTMLElement>("[data-passkey-none]")) element.hidden = true;
  const button = page.querySelector<HTMLButtonElement>("button[data-passkey-sign-in]");
  button?.addEventListener("click", () => void attempt(page, button, () => signIn(button.dataset["next"] ?? "/")));
  const form = page.querySelector<HTMLFormElement>("form[data-passkey-add]");
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    const fields = new FormData(form);
    const submit = form.querySelector("button");
    const text = (name: string): string => String(fields.get(name) ?? "");
    if (submit !== null) void attempt(form, submit, () => add(text("name"), text("current")));
  });
}

/** Does it, and goes where that leads; or says why not. */
async function attempt(root: ParentNode, button: HTMLButtonElement, action: () => Promise<string>): Promise<void> {
  const said = root.querySelector("[data-passkey-fault]");
  if (said !== null) said.textContent = "";
  button.disabled = true;
  try {
    location.assign(await action());
  } catch (error) {
    if (said !== null) said.textContent = sentence(error);
    button.disabled = false;
    button.focus();
  }
}

async function signIn(next: string): Promise<string> {
  const { publicKey } = (await post("/sign-in/passkey/options", {})) as { publicKey: Request };
  const options = { ...publicKey, challenge: toBytes(publicKey.challenge) };
  const credential = await navigator.credentials.get({ publicKey: options as PublicKeyCredentialRequestOptions });
  const { id, rawId, type, response } = credential as PublicKeyCredential & { response: AuthenticatorAssertionResponse };
  return follow(
    await post("/sign-in/passkey", {
      next,
      credential: {
        id,
        rawId: toText(rawId),
        type,
        response: {
          authenticatorData: toText(response.authenticatorData),
          clientDataJSON: toText(response.clientDataJSON),
          signature: toText(response.signature),
          userHandle: response.userHandle === null ? null : toText(response.userHandle),
        },
      },
    }),
  );
}

async function add(name: string, current: string): Promise<string> {
  const { publicKey } = (await post("/account/passkeys/options", { current })) as { publicKey: Creation };
  const options = {
    ...publicKey,
    challenge: toBytes(publicKey.challenge),
    user: { ...publicKey.user, id: toBytes(publicKey.user.id) },
    excludeCredentials: (publicKey.excludeCredentials ?? []).map((one) => ({ ...one, id: toBytes(one.id) })),
  };
  const credential = await navigator.credentials.create({ publicKey: options as PublicKeyCredentialCreationOptions });
  const { id, rawId, type, response } = credential as PublicKeyCredential & { response: AuthenticatorAttestationResponse };
  return follow(
    await post("/account/passkeys", {
      name,
      credential: {
        id,
        rawId: toText(rawId),
        type,
        response: { attestationObject: toText(response.attestationObject), clientDataJSON: toText(response.clientDataJSON) },
      },
    }),
  );
}

/** What the server has to say to a person about a request it did not do. */
class Refused extends Error {}

async function post(path: string, body: object): Promise<unknown> {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    credentials: "same-origin",
  });
  const said = (await response.json()) as { title?: string; detail?: string };
  if (!response.ok) throw new Refused(`${said.title ?? "That did not work"}. ${said.detail ?? "Try again."}`);
  return said;
}

function follow(answer: unknown): string {
  const { next } = answer as { next?: unknown };
  return typeof next === "string" ? next : "/";
}

/** What happened, and what to do. */
export function sentence(error: unknown): string {
  if (error instanceof Refused) return error.message;
  const name = error instanceof Error ? error.name : "";
  if (name === "InvalidStateError") return "This device has a passkey for you already.";
  if (name === "NotAllowedError" || name === "AbortError") return "No passkey was chosen. Try again, or sign in another way.";
  return "That did not work. Check your connection and try again.";
}

/** RFC 4648, section 5, without padding. */
export function toText(bytes: ArrayBuffer): string {
  const plain = btoa(String.fromCharCode(...new Uint8Array(bytes)));
  return plain.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The other way. */
export function toBytes(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}
