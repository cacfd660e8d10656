// A page that follows the gateway region by region, and sends what somebody decides. The server renders all of it.
// Nothing is kept in the browser. The body names the stream (data-live), the version and the token.

import { morph } from "./morph.js";

const SILENCE_MS = 25000;
const RETRY_MS = 2000;
const body = document.body;
const told = document.getElementById("told");
let source = null;
let heardAt = performance.now();

export function follow(changed) {
  connect(changed);
  setInterval(() => { if (performance.now() - heardAt > SILENCE_MS) { heardAt = performance.now(); lose(changed); } }, 1000);
  addEventListener("pagehide", () => { if (source !== null) source.close(); });
}

function connect(changed) {
  source = new EventSource(body.dataset.live);
  source.addEventListener("page", (message) => {
    heardAt = performance.now();
    body.classList.remove("is-stale");
    const update = JSON.parse(message.data);
    if (update.version !== body.dataset.version) {
      location.reload();
      return;
    }
    for (const [id, html] of Object.entries(update.regions)) show(document.getElementById(id), html);
    changed();
  });
  source.addEventListener("gone", () => location.reload()); // the session has ended
  source.onerror = () => lose(changed);
}

// What is being typed or chosen in the region stays.
function show(region, html) {
  if (region === null) return;
  const kept = [...region.querySelectorAll("input, select")]
    .filter((field) => field.id !== "" && (field === document.activeElement || field.value !== field.dataset.given))
    .map((field) => ({ id: field.id, value: field.value, focus: field === document.activeElement }));
  morph(region, html);
  for (const { id, value, focus } of kept) {
    const again = document.getElementById(id);
    if (again === null) continue;
    if (value !== "") again.value = value;
    if (focus) again.focus();
  }
}

function lose(changed) {
  if (source === null) return;
  source.close();
  source = null;
  body.classList.add("is-stale");
  setTimeout(() => connect(changed), RETRY_MS);
}

// What is wrong with one field is said at the field.
export async function send(address, values, form = null) {
  told.hidden = true;
  if (form !== null) for (const said of form.querySelectorAll(".field-wrong")) unmark(said);
  let text = JSON.parse(body.dataset.texts).failed;
  try {
    const answer = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": body.dataset.csrf },
      body: JSON.stringify(values),
    });
    if (answer.ok) return true;
    if (answer.status === 409) {
      const refused = await answer.json();
      text = refused.text;
      const field = form === null || !refused.field ? null : form.elements.namedItem(refused.field);
      if (field !== null) {
        mark(field, text);
        return false;
      }
    }
  } catch {
    // the line is down: said as any other failure
  }
  told.textContent = text;
  told.hidden = false;
  told.scrollIntoView({ block: "nearest" });
  return false;
}

function mark(field, text) {
  const said = document.createElement("span");
  said.className = "field-wrong";
  said.id = `${field.id}-wrong`;
  said.textContent = text;
  said.setAttribute("role", "alert");
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", said.id);
  field.after(said);
  field.focus();
}

function unmark(said) {
  const field = said.previousElementSibling;
  field.removeAttribute("aria-invalid");
  field.removeAttribute("aria-describedby");
  said.remove();
}
