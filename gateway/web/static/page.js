// Keeps the open page equal to what the gateway renders, and says so plainly when it can no longer know.
// The server sends finished HTML per region; nothing here knows what a device or an event is.

import { morph } from "./morph.js";

const SILENCE_MS = 25000; // the gateway speaks at least every 15 s; longer silence is a dead line that looks open
const RETRY_MS = 1000; // first wait before a new attempt, growing by itself
const RETRY_MAX_MS = 5000;

const body = document.body;
const texts = JSON.parse(body.dataset.texts);
const banner = document.getElementById("lost");
const bannerAge = document.getElementById("lost-age");
const indicator = document.getElementById("live");

let source = null;
let heardAt = performance.now(); // last word from the gateway; the page itself was the first
let triedAt = heardAt;
let attempts = 0;
let retry = 0;

function connect() {
  clearTimeout(retry);
  triedAt = performance.now();
  source = new EventSource(body.dataset.live);
  source.addEventListener("page", (message) => show(JSON.parse(message.data)));
  source.addEventListener("gone", () => location.reload()); // the session has ended: the reload leads to the sign-in
  source.onerror = lose;
}

function show(update) {
  if (update.version !== body.dataset.version) {
    location.reload(); // the gateway was updated: this page's own files are old
    return;
  }
  for (const [id, html] of Object.entries(update.regions)) {
    morph(document.getElementById(id), html);
  }
  document.title = update.title;
  heardAt = performance.now();
  attempts = 0;
  setLive(true);
}

function lose() {
  if (source === null) return;
  source.close();
  source = null;
  attempts += 1;
  setLive(false);
  retry = setTimeout(again, Math.min(RETRY_MS * attempts, RETRY_MAX_MS));
}

// An event stream does not say why it was refused: a gateway that was started again knows no session any more.
async function again() {
  try {
    if ((await fetch("/api/v1/me")).status === 401) return location.reload();
  } catch {
    // Nobody there yet: `connect` will see, and say when it is over.
  }
  connect();
}

function setLive(live) {
  indicator.textContent = live ? texts.on : texts.off;
  indicator.classList.toggle("is-on", live);
  body.classList.toggle("is-stale", !live);
  banner.hidden = live;
  tick();
}

function tick() {
  const now = performance.now();
  if (!banner.hidden) {
    bannerAge.textContent = age(Math.floor((now - heardAt) / 1000));
  } else {
    const clock = document.getElementById("now");
    const at = new Date(Number(clock.dataset.nowMs) + (now - heardAt) + Number(clock.dataset.offsetMs));
    if (!Number.isNaN(at.getTime())) clock.textContent = at.toISOString().slice(11, 19);
  }
  if (source !== null && now - Math.max(heardAt, triedAt) > SILENCE_MS) lose();
}

function age(seconds) {
  if (seconds < 60) return texts.age_s.replace("{n}", seconds);
  if (seconds < 3600) return texts.age_min.replace("{n}", Math.floor(seconds / 60));
  return texts.age_h.replace("{n}", Math.floor(seconds / 3600));
}

setInterval(tick, 1000);
addEventListener("pagehide", () => { if (source !== null) source.close(); });
addEventListener("pageshow", (shown) => { if (shown.persisted) connect(); });
connect();
