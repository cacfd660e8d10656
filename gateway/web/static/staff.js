// The page of a day: follows the gateway, filters what is shown, sends what staff decide and tells what came of it.

import { body, follow, texts } from "./live.js";
import { look, markSeen, setTitle } from "./alarm.js";

const told = document.getElementById("told");
const trouble = document.getElementById("trouble");
const unit = document.getElementById("filter-unit");
const state = document.getElementById("filter-state");
const words = document.getElementById("filter-text");

function shown(update) {
  trouble.hidden = !update.trouble;
  trouble.textContent = update.trouble;
  filter();
  setTitle(update.title);
}

// Only what is in the page already: nothing that is typed here leaves it.
function filter() {
  if (unit === null) return;
  const wanted = words.value.trim().toLowerCase();
  let left = 0;
  let all = 0;
  for (const row of document.querySelectorAll(".duty")) {
    const fits =
      (!unit.value || row.dataset.unit === unit.value) &&
      (!state.value || row.dataset.state === state.value) &&
      (!wanted || row.textContent.toLowerCase().includes(wanted));
    if (row.hidden === fits) row.hidden = !fits;
    left += fits ? 1 : 0;
    all += 1;
  }
  const count = document.getElementById("shown-count");
  const text = texts.shown.replace("{shown}", left).replace("{all}", all);
  if (count.textContent !== text) count.textContent = text;
}

let hiding = 0;

function tell(text, good) {
  clearTimeout(hiding);
  if (good) hiding = setTimeout(() => { told.hidden = true; }, 6000);
  told.textContent = text;
  told.className = good ? "told is-ok" : "told is-fault";
  told.hidden = false;
  const over = document.getElementById("alarm-told"); // a dialog lies over everything else
  if (over !== null) {
    over.textContent = text;
    over.hidden = good || !document.getElementById("alarm-dialog").open;
  }
}

async function send(path, form) {
  let answer = null;
  try {
    const got = await fetch(path, {
      method: "POST",
      headers: { "X-CSRF-Token": body.dataset.csrf },
      body: new URLSearchParams(form),
    });
    answer = await got.json();
    if (!got.ok) answer.ok = false;
  } catch {
    answer = null;
  }
  if (answer === null || !answer.text) answer = { ok: false, text: texts.failed };
  tell(answer.text, answer.ok === true);
  return answer.ok === true;
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.dataset.act) return;
  event.preventDefault();
  if (form.dataset.busy || (form.dataset.sure && !asked(form))) return;
  form.dataset.busy = "yes";
  const values = new FormData(form);
  if (event.submitter && event.submitter.name) values.append(event.submitter.name, event.submitter.value);
  const done = await send(form.dataset.act, values);
  delete form.dataset.busy;
  const details = form.closest("details");
  if (done && details !== null) details.open = false;
});

// The second click of something that cannot be taken back.
function asked(form) {
  if (form.dataset.asked) return true;
  form.dataset.asked = "yes";
  const button = form.querySelector("button");
  button.dataset.was = button.textContent;
  button.textContent = form.dataset.sure;
  setTimeout(() => { delete form.dataset.asked; button.textContent = button.dataset.was; }, 8000);
  return false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (button === null) return;
  if (button.dataset.reveal) {
    await send("/staff/reveal", [["ref", button.dataset.reveal]]);
  } else if (button.dataset.seen) {
    button.disabled = true;
    if (await send("/staff/alarm", [["event", button.dataset.seen]])) markSeen(button.dataset.seen);
    button.disabled = false;
  }
});

for (const field of [unit, state, words]) {
  if (field !== null) field.addEventListener("input", filter);
}
filter();
look();
follow(shown);
