import { SCENES, people } from "./scenes.ts";
import { install } from "./fakes.ts";

const query = new URLSearchParams(location.search);
const name = query.get("scene") ?? "";
const script = SCENES[name];
const long = query.has("long");
document.documentElement.dir = query.get("dir") ?? "ltr";
const main = document.querySelector("main");

if (script === undefined || main === null) {
  if (main !== null) {
    main.classList.add("scenes");
    document.body.className = "page page--staff";
    main.append(...Object.keys(SCENES).map((scene) => link(scene)));
  }
} else if (script.dashboard === true) {
  const { dashboard } = await import("./dashboard.ts");
  dashboard(main, long);
} else {
  install(script, long);
  document.body.classList.toggle("page--staff", script.role === "provider");
  await import("../src/visit.ts");
  const element = document.createElement(`${script.role}-video-call`);
  element.setAttribute("appointment-id", "appointment");
  element.setAttribute("current-user-id", `${script.role}-id`);
  element.setAttribute("current-user-name", people(long)[script.role]);
  if (script.role === "provider") element.setAttribute("home-url", "/scenes");
  main.append(element);
  for (const label of script.press ?? []) await press(element, label);
  if (script.write !== undefined) await write(element, script.write);
}

function link(scene: string): HTMLElement {
  const anchor = document.createElement("a");
  anchor.href = `?scene=${scene}`;
  anchor.textContent = scene;
  return anchor;
}

async function write(element: HTMLElement, text: string): Promise<void> {
  for (let turn = 0; turn < 100; turn++) {
    const field = element.shadowRoot?.querySelector("textarea");
    if (field != null) {
      field.value = text;
      return field.form?.requestSubmit();
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function press(element: HTMLElement, label: string): Promise<void> {
  for (let turn = 0; turn < 100; turn++) {
    const buttons = [...(element.shadowRoot?.querySelectorAll("button") ?? [])];
    const button = buttons.find((candidate) => candidate.textContent?.trim() === label);
    if (button !== undefined) return button.click();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
