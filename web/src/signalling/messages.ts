// Generated from crates/visit by `UPDATE=1 cargo test -p bedside-visit typescript`. Do not edit.

export type UserId = string;

export type VisitId = string;

export type CommandId = string;

export type Timestamp = number;

export type Sdp = string;

export type Role = "patient" | "provider" | "guest" | "interpreter" | "observer";

export type CallBackend = "embedded" | "cometchat";

export type EndReason = "ended" | "missed" | "abandoned" | "closed" | "cancelled";

export type Check = "unknown" | "asking" | "works" | "blocked";

export type DeviceCheck = { 
/**
 * The browser can hold a video call.
 */
browser: Check, 
/**
 * The camera.
 */
camera: Check, 
/**
 * The microphone.
 */
microphone: Check, 
/**
 * The microphone has been heard making a sound.
 */
heard: boolean, 
/**
 * The camera has been seen to deliver more than a dark picture. Pages that were loaded before this was there do not
 * say.
 */
seen: boolean, };

export type Capture = "live" | "hidden" | "interrupted" | "lost" | "blocked";

export type TermsId = string;

export type ChatText = string;

export type ChatMessage = { 
/**
 * Its number in the visit, from 1.
 */
number: number, 
/**
 * Who wrote it.
 */
from: UserId, 
/**
 * When.
 */
at: Timestamp, 
/**
 * What.
 */
text: ChatText, };

export type Stage = { "name": "preparing" } | { "name": "waiting", 
/**
 * When they came in.
 */
since: Timestamp, } | { "name": "called", 
/**
 * When the provider started.
 */
since: Timestamp, } | { "name": "idle" } | { "name": "calling", 
/**
 * Since when.
 */
since: Timestamp, 
/**
 * When the provider will be asked what to do; absent if they chose to keep waiting.
 */
until: Timestamp | null, } | { "name": "unanswered", 
/**
 * When calling began.
 */
since: Timestamp, } | { "name": "declined", 
/**
 * When.
 */
at: Timestamp, } | { "name": "connected", 
/**
 * When the provider started.
 */
since: Timestamp, } | { "name": "reconnecting", 
/**
 * When it dropped.
 */
since: Timestamp, } | { "name": "alone", 
/**
 * When they left.
 */
since: Timestamp, } | { "name": "left", 
/**
 * When.
 */
at: Timestamp, } | { "name": "ended", 
/**
 * When.
 */
at: Timestamp, 
/**
 * Why.
 */
reason: EndReason, };

export type Presence = { "name": "absent" } | { "name": "preparing", 
/**
 * Since when the page is connected.
 */
since: Timestamp, } | { "name": "here", 
/**
 * When they came in.
 */
since: Timestamp, } | { "name": "away", 
/**
 * When it dropped.
 */
since: Timestamp, } | { "name": "left", 
/**
 * When.
 */
at: Timestamp, };

export type ParticipantView = { 
/**
 * Who.
 */
user: UserId, 
/**
 * Their name.
 */
name: string, 
/**
 * As what.
 */
role: Role, 
/**
 * Where they are.
 */
presence: Presence, 
/**
 * Whether their microphone may be heard. The server's word, whatever a page sends.
 */
microphone: boolean, 
/**
 * Whether their camera may be seen. The server's word, whatever a page sends.
 */
camera: boolean, 
/**
 * Whether their media connection to the server carries; over another backend: whether they can be reached there.
 */
media: boolean, 
/**
 * What keeps their page from sending, although they have not switched it off.
 */
capture: Capture, 
/**
 * When they agreed to the clinic's terms. Shown to the provider, and to the person themselves.
 */
consent: Timestamp | null, 
/**
 * What their page reported of its device. Shown to the provider, and to the person themselves.
 */
check: DeviceCheck | null, 
/**
 * When they came on another device than before, if they did. Shown to the provider, and to the person themselves.
 */
device_changed: Timestamp | null, };

export type View = { 
/**
 * Which visit. A new meeting of the same appointment is another visit.
 */
visit: VisitId, 
/**
 * Where it stands for you.
 */
stage: Stage, 
/**
 * Who carries the media.
 */
backend: CallBackend, 
/**
 * You.
 */
you: ParticipantView, 
/**
 * Everyone else who has a seat, the person your page is about first.
 */
others: Array<ParticipantView>, 
/**
 * What was written, in order.
 */
messages: Array<ChatMessage>, };

export type Change = { "name": "visit", 
/**
 * Which.
 */
visit: VisitId, } | { "name": "stage", 
/**
 * Where.
 */
stage: Stage, } | { "name": "backend", 
/**
 * Which.
 */
backend: CallBackend, } | { "name": "you", 
/**
 * All of it.
 */
you: ParticipantView, } | { "name": "other", 
/**
 * All of it.
 */
other: ParticipantView, } | { "name": "said", 
/**
 * What.
 */
message: ChatMessage, };

export type Command = { "name": "enter" } | { "name": "rejoin" } | { "name": "leave" } | { "name": "decline" } | { "name": "start" } | { "name": "cancel" } | { "name": "keep_waiting" } | { "name": "mark_missed" } | { "name": "end" } | { "name": "set_media", 
/**
 * Your microphone.
 */
microphone: boolean, 
/**
 * Your camera.
 */
camera: boolean, } | { "name": "report_check", 
/**
 * All of it.
 */
check: DeviceCheck, } | { "name": "report_capture", 
/**
 * That.
 */
capture: Capture, } | { "name": "report_media", 
/**
 * You can.
 */
carries: boolean, } | { "name": "report_stranger" } | { "name": "move_call", 
/**
 * Which.
 */
backend: CallBackend, } | { "name": "set_consent", 
/**
 * Agree?
 */
given: boolean, 
/**
 * To which, as they were shown. Others than those of now cannot be agreed to.
 */
terms: TermsId, } | { "name": "say", 
/**
 * What.
 */
text: ChatText, };

export type Layer = "q" | "h" | "f";

export type Watched = { 
/**
 * Whose picture.
 */
user: UserId, 
/**
 * The largest layer it has a use for; nothing: it shows none of them.
 */
most: Layer | null, };

export type ClientMessage = { "type": "command", 
/**
 * The page's name for it. Sending it again under the same id changes nothing.
 */
id: CommandId, 
/**
 * What.
 */
command: Command, } | { "type": "offer", 
/**
 * The page's number for its `RTCPeerConnection`, drawn at random so that another page of the
 * same person does not have it. The number of the connection that is there renegotiates it
 * (an ICE restart); another number replaces it.
 */
peer: number, 
/**
 * The description.
 */
sdp: Sdp, } | { "type": "watch", 
/**
 * Whom. Those it does not name may come as large as they are sent.
 */
pictures: Array<Watched>, } | { "type": "ping" };

export type AdmissionId = string;

export type Admission = { 
/**
 * Which.
 */
id: AdmissionId, 
/**
 * Whose link it is. Whether it is them is what the provider is asked.
 */
user: UserId, 
/**
 * The other device, as far as its browser said: "Safari on iPhone".
 */
device: string | null, 
/**
 * When they asked.
 */
since: Timestamp, };

export type Track = { 
/**
 * The section's `a=mid` (RFC 5888).
 */
mid: string, 
/**
 * Whose media it carries.
 */
user: UserId, };

export type Refusal = "wrong_role" | "not_now" | "too_early" | "closed" | "cancelled" | "signed_out" | "not_saved" | "stopping" | "no_backend" | "full" | "malformed";

export type MediaFailure = "bad_offer" | "not_allowed" | "lost" | "busy";

export type ServerMessage = { "type": "snapshot", 
/**
 * Its number. The first `changed` has the next one.
 */
sequence: number, 
/**
 * The server's clock, for showing durations.
 */
now: Timestamp, 
/**
 * The state.
 */
view: View, } | { "type": "resumed", 
/**
 * The last number the page has heard. The first `changed` has the next one.
 */
sequence: number, 
/**
 * The number of the last `changed` that was missed; the same as `sequence` if none was.
 */
latest: number, 
/**
 * The server's clock, for showing durations.
 */
now: Timestamp, } | { "type": "changed", 
/**
 * One more than the message before.
 */
sequence: number, 
/**
 * To apply in order.
 */
changes: Array<Change>, } | { "type": "acknowledged", 
/**
 * The command.
 */
id: CommandId, } | { "type": "refused", 
/**
 * The command.
 */
id: CommandId, 
/**
 * Why.
 */
refusal: Refusal, } | { "type": "answer", 
/**
 * The page's number for its connection.
 */
peer: number, 
/**
 * The description.
 */
sdp: Sdp, 
/**
 * What each receiving section of the offer is there for.
 */
tracks: Array<Track>, } | { "type": "media_failed", 
/**
 * The page's number for its connection.
 */
peer: number, 
/**
 * Why.
 */
reason: MediaFailure, } | { "type": "layers", 
/**
 * The page's number for its connection.
 */
peer: number, 
/**
 * The smallest first; at least one.
 */
wanted: Array<Layer>, } | { "type": "speaking", 
/**
 * Nobody, when there has been silence for a moment.
 */
user: UserId | null, } | { "type": "pong" } | { "type": "malformed", 
/**
 * What is wrong, for a developer.
 */
detail: string, } | { "type": "moved" } | { "type": "admissions", 
/**
 * The oldest first.
 */
waiting: Array<Admission>, } | { "type": "stopping", 
/**
 * The latest moment.
 */
until: Timestamp, };
