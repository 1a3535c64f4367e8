import { CometChatCalls } from "@cometchat/calls-sdk-javascript";
import { CometChat } from "@cometchat/chat-sdk-javascript";

import type { App, Media, Order, Report } from "../src/call/cometchat/protocol.ts";

const LISTENER = "bedside";
/** A provider may wait alone for a while: the SDK's own end of an idle call comes long after ours. Seconds. */
const IDLE = 6 * 60 * 60;

/** One person's line at CometChat: both SDKs, behind the protocol's orders. */
export class Line {
  readonly #report: (report: Report) => void;
  /** The app that the SDKs were made for: they are made once a document. */
  #made: string | null = null;
  #uid = "";
  #token = "";
  /** The call that is ours, ringing or running. */
  #session: string | null = null;
  /** It was accepted: it is ended, not cancelled. */
  #answered = false;
  /** The call whose media run. */
  #joined: string | null = null;
  /** Changes with each call: what a call before still says is nothing. */
  #turn = 0;
  /** Settles when calls can first be heard. */
  #heard = new Promise<void>(() => {});

  constructor(report: (report: Report) => void) {
    this.#report = report;
  }

  /** Does what is ordered, and says if it cannot. */
  async take(order: Order): Promise<void> {
    try {
      await this.#do(order);
    } catch (error) {
      this.#report({ type: "failed", order: order.type, code: codeOf(error), message: messageOf(error) });
    }
  }

  async #do(order: Order): Promise<void> {
    switch (order.type) {
      case "sign_in":
        return this.#signIn(order.app, order.uid, order.token);
      case "call":
        return this.#call(order.attempt, order.to, order.ringSeconds);
      case "accept":
        return this.#accept(order.session);
      case "refuse":
        await CometChat.rejectCall(order.session, CometChat.CALL_STATUS.REJECTED);
        return;
      case "join":
        return this.#join(order.session, order.media);
      case "publish":
        return this.#publish(order.media);
      case "leave":
        return this.#leave();
    }
  }

  async #signIn(app: App, uid: string, token: string): Promise<void> {
    await alone(uid);
    await this.#make(app);
    this.#uid = uid;
    this.#token = token;
    await CometChat.login(token);
    // What rings before is not heard.
    await this.#heard;
    this.#report({ type: "signed_in" });
  }

  async #make({ appId, region, clientHost }: App): Promise<void> {
    if (this.#made === appId) return;
    // The login is gone with the window, and is no other window's.
    const chat = new CometChat.AppSettingsBuilder()
      .setRegion(region)
      .autoEstablishSocketConnection(true)
      .setStorageMode(CometChat.StorageMode.SESSION);
    const calls = new CometChatCalls.CallAppSettingsBuilder().setAppId(appId).setRegion(region);
    if (clientHost !== null) {
      chat.overrideAdminHost(`${clientHost}/v3.0`).overrideClientHost(`${clientHost}/v3.0`);
      calls.setHost(`https://${clientHost}/v3.0/`);
    }
    await CometChat.init(appId, chat.build());
    await CometChatCalls.init(calls.build());
    this.#listen();
    this.#made = appId;
  }

  #listen(): void {
    this.#heard = new Promise((heard) => {
      CometChat.addConnectionListener(
        LISTENER,
        new CometChat.ConnectionListener({
          onConnected: () => {
            heard();
            this.#report({ type: "line", up: true });
          },
          inConnecting: () => this.#report({ type: "line", up: false }),
          onDisconnected: () => this.#report({ type: "line", up: false }),
        }),
      );
    });
    CometChat.addLoginListener(LISTENER, new CometChat.LoginListener({ logoutSuccess: () => this.#report({ type: "signed_out" }) }));
    CometChat.addCallListener(
      LISTENER,
      new CometChat.CallListener({
        onIncomingCallReceived: (call: CometChat.Call) =>
          this.#report({ type: "incoming", session: call.getSessionId(), from: initiatorOf(call) }),
        onIncomingCallCancelled: (call: CometChat.Call) => this.#report({ type: "withdrawn", session: call.getSessionId() }),
        onOutgoingCallAccepted: (call: CometChat.Call) => {
          this.#answered ||= call.getSessionId() === this.#session;
          this.#report({ type: "accepted", session: call.getSessionId(), initiator: initiatorOf(call) });
        },
        onOutgoingCallRejected: (call: CometChat.Call) => this.#report({ type: "unanswered", session: call.getSessionId() }),
        onCallEndedMessageReceived: (call: CometChat.Call) => this.#report({ type: "ended", session: call.getSessionId() }),
      }),
    );
  }

  async #call(attempt: number, to: string, ringSeconds: number): Promise<void> {
    const call = new CometChat.Call(to, CometChat.CALL_TYPE.VIDEO, CometChat.RECEIVER_TYPE.USER);
    const placed = await CometChat.initiateCall(call, ringSeconds);
    this.#session = placed.getSessionId();
    this.#answered = false;
    this.#report({ type: "calling", attempt, session: this.#session });
  }

  async #accept(session: string): Promise<void> {
    const call = await CometChat.acceptCall(session);
    this.#session = session;
    this.#answered = true;
    this.#report({ type: "accepted", session, initiator: initiatorOf(call) });
  }

  async #join(session: string, media: Media): Promise<void> {
    const turn = ++this.#turn;
    const { token } = await CometChatCalls.generateToken(session, this.#token);
    if (turn !== this.#turn) return;
    this.#joined = session;
    const own = (report: Report): void => {
      if (turn === this.#turn) this.#report(report);
    };
    const seen = (list: readonly unknown[]): void => {
      const users = list.filter((user): user is Participant => typeof user === "object" && user !== null);
      const others = users.filter((user) => uidOf(user) !== this.#uid);
      if (others.length < users.length) own({ type: "joined", session });
      own({ type: "others", session, count: others.length });
    };
    const settings = new CometChatCalls.CallSettingsBuilder()
      .enableDefaultLayout(true)
      .setIsAudioOnlyCall(false)
      .setMode(CometChatCalls.CALL_MODE.DEFAULT)
      .showEndCallButton(false)
      .showMuteAudioButton(false)
      .showPauseVideoButton(false)
      .showScreenShareButton(false)
      .showModeButton(false)
      .showSwitchToVideoCallButton(false)
      .showRecordingButton(false)
      .startWithAudioMuted(!media.microphone)
      .startWithVideoMuted(!media.camera)
      .setIdleTimeoutPeriod(IDLE)
      .setCallListener(
        new CometChatCalls.OngoingCallListener({
          onUserListUpdated: seen,
          onCallEnded: () => own({ type: "ended", session }),
          onSessionTimeout: () => own({ type: "ended", session }),
          onError: (error: unknown) => own({ type: "failed", order: "join", code: codeOf(error), message: messageOf(error) }),
        }),
      )
      .build();
    CometChatCalls.startSession(token, settings, surface());
  }

  #publish({ microphone, camera }: Media): void {
    if (this.#joined === null) return;
    CometChatCalls.muteAudio(!microphone);
    CometChatCalls.pauseVideo(!camera);
  }

  /** Out of both SDKs: one alone leaves the camera on, or the line busy. */
  async #leave(): Promise<void> {
    this.#turn += 1;
    if (this.#joined !== null) CometChatCalls.endSession();
    const active = CometChat.getActiveCall() as CometChat.Call | null;
    const session = this.#session ?? active?.getSessionId() ?? null;
    const answered = this.#answered || this.#session === null;
    this.#joined = this.#session = null;
    this.#answered = false;
    if (session !== null) {
      const done = answered ? CometChat.endCall(session) : CometChat.rejectCall(session, CometChat.CALL_STATUS.CANCELLED);
      // It may be over already; what counts is that this side holds nothing.
      await Promise.resolve(done).catch(() => {});
    }
    CometChat.clearActiveCall();
    surface().replaceChildren();
    this.#report({ type: "left" });
  }
}

/** A person in a call, as the calls SDK has them: an object, or a class with getters. */
type Participant = { uid?: string; getUid?: () => string };

function uidOf(user: Participant): string {
  return user.uid ?? user.getUid?.() ?? "";
}

function initiatorOf(call: CometChat.Call): string {
  return (call.getCallInitiator() as CometChat.User | undefined)?.getUid() ?? "";
}

/** Where the calls SDK draws: it wants a size before it begins. */
function surface(): HTMLElement {
  let element = document.getElementById("surface");
  if (element === null) {
    element = document.createElement("div");
    element.id = "surface";
    element.style.cssText = "position:fixed;inset:0";
    document.body.append(element);
  }
  return element;
}

/**
 * The login is shared by all pages of a browser: only one of a person's at a time has a line. A page that takes the
 * visit over waits here until the one before has let go.
 */
async function alone(uid: string): Promise<void> {
  if (held === uid || navigator.locks === undefined) return;
  held = uid;
  await new Promise<void>((granted) => {
    void navigator.locks.request(`bedside-cometchat-${uid}`, () => {
      granted();
      return new Promise<never>(() => {});
    });
  });
}

let held = "";

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "UNKNOWN";
}

function messageOf(error: unknown): string {
  const message = (error as { message?: unknown } | null)?.message;
  return typeof message === "string" ? message.slice(0, 200) : "";
}
