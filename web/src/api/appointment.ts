/** The patient or the provider of an appointment, as returned by the API. */
export interface Person {
  userId: string;
  name: string;
  avatarUrl: string | null;
}

/** The call backend, and what a page needs to connect to it. */
export interface CallDescription {
  backend: string;
  /** Path of the signalling WebSocket. */
  signalling: string;
  /** The clinic's time zone (IANA). */
  timeZone?: string;
  /** The clinic's terms, if patients are asked to accept them. */
  terms?: Terms | null;
  /** Present if a CometChat account is configured. */
  cometchat?: CometChatAccess;
}

/** The clinic's terms for video visits. */
export interface Terms {
  /** Sent back when the terms are accepted. */
  id: string;
  /** BCP 47. */
  language: string;
  text: string;
}

/** What a page needs for a call over CometChat. */
export interface CometChatAccess {
  appId: string;
  region: string;
  /** Host that its SDKs connect to, if not the app's own hosts. */
  clientHost: string | null;
  patientUid: string;
  providerUid: string;
  ringSeconds: number;
  /** Path of the document that runs the SDKs. */
  frame: string;
}

/** The response of `GET /api/appointments/{id}`. */
export interface Appointment {
  id: string;
  /** RFC 3339, UTC. */
  datetime: string;
  /** Minutes. */
  duration: number;
  type: string;
  reason: string | null;
  status: string;
  provider: Person & { specialty: string | null };
  patient: Person & { age: number | null };
  call: CallDescription;
}

/** An error of an API request. `status` is 0 if the server could not be reached. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
  ) {
    super(title);
    this.name = "Problem";
  }

  /** Whether a retry may succeed without any other action. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** `fetch`, or a fake in tests. */
export type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

/** The requests of the JSON API that the elements make. */
export class Api {
  /**
   * @param base origin of the server without a trailing slash; empty for the page's own
   * @param user the user to act as, if several are signed in in this browser. Grants no permissions.
   */
  constructor(
    private readonly base: string,
    private readonly user: string,
    private readonly fetch: Fetch,
  ) {}

  /** Returns the appointment with its participants. */
  async appointment(id: string): Promise<Appointment> {
    const { data } = await this.#ask<{ data: Appointment }>(`/api/appointments/${encodeURIComponent(id)}`);
    return data;
  }

  /** Creates a new patient link and returns its URL. */
  async invite(id: string): Promise<string> {
    const path = `/api/appointments/${encodeURIComponent(id)}/invites`;
    const { data } = await this.#post<{ data: { url: string } }>(path, {});
    return data.url;
  }

  /** Approves or denies a request to join from another device than the one that used the link. */
  async admit(id: string, admission: string, admit: boolean): Promise<void> {
    await this.#post(`/api/appointments/${encodeURIComponent(id)}/admissions/${encodeURIComponent(admission)}`, { admit });
  }

  /** Returns an access token for CometChat. `fresh`: the previous one is no longer valid. */
  async callToken(appointmentId: string, fresh: boolean): Promise<string> {
    const { authToken } = await this.#post<{ authToken: string }>("/api/cometchat/user", {
      userId: this.user,
      appointmentId,
      forceRecreate: fresh,
    });
    return authToken;
  }

  async #post<T>(path: string, body: object): Promise<T> {
    return this.#ask<T>(path, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json" },
    });
  }

  async #ask<T>(path: string, init: RequestInit = {}): Promise<T> {
    let response: Response;
    try {
      response = await this.fetch(`${this.base}${path}?as=${encodeURIComponent(this.user)}`, {
        ...init,
        credentials: this.base === "" ? "same-origin" : "include",
        cache: "no-store",
        headers: { accept: "application/json, application/problem+json", ...init.headers },
      });
    } catch {
      throw new Problem(0, "The clinic can't be reached.", "Your internet connection may be down.");
    }
    const body = await readJson(response);
    if (response.ok && body["success"] === true) return body as T;
    throw new Problem(response.ok ? 502 : response.status, text(body["title"]), text(body["detail"]));
  }
}

async function readJson(response: Response): Promise<Record<string, unknown>> {
  try {
    const body: unknown = await response.json();
    return typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/**
 * The appointment that a server-rendered page contains inside the element, as JSON in the API's format. `undefined` if
 * there is none for `id`.
 */
export function carried(element: ParentNode, id: string): Appointment | undefined {
  try {
    const text = element.querySelector('script[type="application/json"]')?.textContent ?? "";
    const appointment = JSON.parse(text) as Appointment;
    return appointment.id === id ? appointment : undefined;
  } catch {
    return undefined;
  }
}

/** The URL of the signalling WebSocket. */
export function signallingUrl(base: string, page: string, path: string, user: string): string {
  const url = new URL(path, base === "" ? page : `${base}/`);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.searchParams.set("as", user);
  return url.href;
}
