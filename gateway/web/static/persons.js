// The list filters itself; a person's page follows the gateway and sends what staff decide. The server renders all
// of it. Nothing is kept in the browser.

import { morph } from "./morph.js";

const SILENCE_MS = 25000;
const RETRY_MS = 2000;
const body = document.body;
const card = document.getElementById("enrol-card");
const told = document.getElementById("told");
let source = null;
let heardAt = performance.now();

function connect() {
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
    // Nothing else is begun while one runs.
    if (card !== null) card.hidden = document.querySelector("#person-enrolment .now") !== null;
  });
  source.addEventListener("gone", () => location.reload()); // the session has ended
  source.onerror = lose;
}

// What is being typed into the region stays.
function show(region, html) {
  const field = region.querySelector("input");
  const typed = field === null ? null : { id: field.id, value: field.value, focus: document.activeElement === field };
  morph(region, html);
  const again = typed === null ? null : document.getElementById(typed.id);
  if (again !== null && typed.value !== "") again.value = typed.value;
  if (again !== null && typed.focus) again.focus();
}

function lose() {
  if (source === null) return;
  source.close();
  source = null;
  body.classList.add("is-stale");
  setTimeout(connect, RETRY_MS);
}

async function send(what, values) {
  told.hidden = true;
  let text = JSON.parse(body.dataset.texts).failed;
  try {
    const answer = await fetch(`${body.dataset.address}/${what}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": body.dataset.csrf },
      body: JSON.stringify(values),
    });
    if (answer.ok) return true;
    if (answer.status === 409) text = (await answer.json()).text;
  } catch {
    // the line is down: said as any other failure
  }
  told.textContent = text;
  told.hidden = false;
  told.scrollIntoView({ block: "nearest" });
  return false;
}

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const given = new FormData(form);
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  if (form.id === "enrol") {
    const finger = form.querySelector("[name=device]:checked").dataset.factor === "finger";
    const label = finger && given.get("label") !== "" ? given.get("label") : null;
    await send("enrol", { device: given.get("device"), label, consent: given.get("consent") === "yes" });
  } else if (form.id === "vouch") {
    await send("vouch", { reason: given.get("reason") });
  } else if (await send("release", { reason: given.get("reason"), sure: given.get("sure") === "yes" })) {
    form.reset();
    step(false);
  }
  button.disabled = false;
});

document.addEventListener("click", (event) => {
  if (event.target.id === "cancel") send("cancel", {});
  if (event.target.id === "release-first" && document.getElementById("release").reportValidity()) step(true);
  if (event.target.id === "release-not") step(false);
});

function step(sure) {
  document.getElementById("release-sure").hidden = !sure;
  document.getElementById("release-first").hidden = sure;
}

const filter = document.getElementById("filter");
if (filter !== null) {
  filter.addEventListener("input", () => {
    for (const row of document.querySelectorAll(".person-row")) row.hidden = !row.textContent.includes(filter.value.trim());
  });
}
if (body.dataset.live !== undefined) {
  connect();
  setInterval(() => { if (performance.now() - heardAt > SILENCE_MS) { heardAt = performance.now(); lose(); } }, 1000);
  addEventListener("pagehide", () => { if (source !== null) source.close(); });
}
