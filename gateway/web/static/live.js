// Follows a stream of finished HTML regions and says plainly when it can no longer know what is true.

import { morph } from "./morph.js";

const SILENCE_MS = 25000; // the gateway speaks at least every 15 s; longer silence is a dead line that looks open
const RETRY_MS = 1000; // first wait before a new attempt, growing by itself
const RETRY_MAX_MS = 5000;

export const body = document.body;
export const texts = JSON.parse(body.dataset.texts);

// `shown` is called after each update, with it; `beat` each second while the line is good, with the milliseconds since.
export function follow(shown, beat = () => {}) {
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
    source.addEventListener("gone", () => location.reload()); // the session has ended
    source.onerror = lose;
  }

  function show(update) {
    const old = update.version !== body.dataset.version || (update.stamp && update.stamp !== body.dataset.stamp);
    if (old && !body.dataset.quiet) { // quiet: somebody fills in a form, which a reload would throw away
      location.reload(); // the gateway was updated, or another day or roster has begun: the frame here is old
      return;
    }
    for (const [id, html] of Object.entries(update.regions)) {
      morph(document.getElementById(id), html);
    }
    heardAt = performance.now();
    attempts = 0;
    setLive(true);
    shown(update);
  }

  function lose() {
    if (source === null) return;
    source.close();
    source = null;
    attempts += 1;
    if (attempts > 1) setLive(false); // the gateway ends a stream now and then; one that comes back is no break
    retry = setTimeout(again, attempts === 1 ? 0 : Math.min(RETRY_MS * attempts, RETRY_MAX_MS));
  }

  // An event stream does not say why it was refused: a gateway that was started again knows no session any more.
  async function again() {
    try {
      if (!body.dataset.quiet && (await fetch("/api/v1/me")).status === 401) return location.reload();
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
    if (banner.hidden) beat(now - heardAt);
    else bannerAge.textContent = age(Math.floor((now - heardAt) / 1000));
    if (source !== null && now - Math.max(heardAt, triedAt) > SILENCE_MS) {
      attempts += 1; // nobody knows for how long it was dead: said at once
      lose();
    }
  }

  setInterval(tick, 1000);
  addEventListener("pagehide", () => { if (source !== null) source.close(); });
  addEventListener("pageshow", (again) => { if (again.persisted) connect(); });
  connect();
}

function age(seconds) {
  if (seconds < 60) return texts.age_s.replace("{n}", seconds);
  if (seconds < 3600) return texts.age_min.replace("{n}", Math.floor(seconds / 60));
  return texts.age_h.replace("{n}", Math.floor(seconds / 3600));
}
