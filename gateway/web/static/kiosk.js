// Keeps the kiosk's screen equal to what the gateway says, and says plainly when it can no longer know.
// Nothing about a person is kept here: the screen comes from the gateway, whole, and goes with the next one.

import { morph } from "./morph.js";

const SILENCE_MS = 4500; // the gateway speaks every 2 s
const RETRY_MS = 1000;
const REPEATS = 3; // of a touch whose answer did not come: the same key, so that it counts once
const TICK_MS = 200;

const body = document.body;
const screen = document.getElementById("screen");
const lost = document.getElementById("lost");

let source = null;
let heardAt = performance.now();
let retry = 0;
let said = "";
let deadline = 0; // when the patience of this screen ends
let total = 0;

function connect() {
  clearTimeout(retry);
  heardAt = performance.now();
  source = new EventSource("/kiosk/live");
  source.addEventListener("page", (message) => show(JSON.parse(message.data)));
  source.addEventListener("gone", () => location.replace("/kiosk/pair"));
  source.onerror = lose;
}

function show(update) {
  if (update.version !== body.dataset.version) {
    location.reload(); // the gateway was updated: this page's own files are old
    return;
  }
  heardAt = performance.now();
  for (const [id, html] of Object.entries(update.regions)) morph(document.getElementById(id), html);
  lost.hidden = true;
  body.dataset.live = ""; // it follows the gateway and takes touches
  const shown = screen.firstElementChild;
  if (shown === null) return;
  if (update.regions.screen !== undefined) {
    total = Number(shown.dataset.totalMs || 0);
    deadline = heardAt + Number(shown.dataset.leftMs || 0);
    body.classList.remove("is-busy");
  }
  tick();
  speak(shown.dataset.say);
}

function lose() {
  if (source !== null) source.close();
  source = null;
  screen.textContent = ""; // whoever stood here must not stay on the screen
  said = "";
  total = 0;
  lost.hidden = false;
  clearTimeout(retry);
  retry = setTimeout(connect, RETRY_MS);
}

function tick() {
  const now = performance.now();
  if (source !== null && now - heardAt > SILENCE_MS) lose();
  if (total === 0) return;
  const left = Math.max(0, deadline - now);
  const bar = screen.querySelector(".patience i");
  if (bar !== null) bar.style.transform = "scaleX(" + Math.min(1, left / total).toFixed(4) + ")";
  const seconds = screen.querySelector("[data-seconds]");
  if (seconds !== null) seconds.textContent = String(Math.ceil(left / 1000));
}

// What was touched -----------------------------------------------------------------------------------------------

function key() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
}

async function send(path, content) {
  const headers = { "Idempotency-Key": key(), "X-Kiosk-Page": "1", "Content-Type": "application/json" };
  for (let count = 0; count < REPEATS; count += 1) {
    try {
      const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(content) });
      if (answer.status === 401 || answer.status === 403) location.replace("/kiosk/pair");
      if (answer.status !== 409 && answer.status !== 429) break;
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // the network; the stream notices too
    }
    await new Promise((done) => setTimeout(done, RETRY_MS));
  }
  body.classList.remove("is-busy");
}

screen.addEventListener("click", (event) => {
  const touched = event.target.closest("[data-touch], [data-cancel]");
  if (touched === null || body.classList.contains("is-busy")) return;
  body.classList.add("is-busy");
  if (touched.dataset.touch) send("/api/v1/kiosk/touch", { purpose: touched.dataset.touch });
  else send("/api/v1/kiosk/cancel", {});
});
addEventListener("contextmenu", (event) => event.preventDefault()); // a long press is a press

// Spoken on wish, by a Chinese voice of the browser; never a name ------------------------------------------------------

function speak(words) {
  if (words === said) return;
  said = words;
  if (body.dataset.voice === undefined || !("speechSynthesis" in window)) return;
  const voice = speechSynthesis.getVoices().find((one) => one.lang.toLowerCase().startsWith("zh"));
  if (voice === undefined) return;
  speechSynthesis.cancel();
  const utterance = new SpeechSynthesisUtterance(words);
  utterance.voice = voice;
  utterance.lang = voice.lang;
  speechSynthesis.speak(utterance);
}

setInterval(tick, TICK_MS);
addEventListener("pagehide", () => {
  screen.textContent = ""; // the browser may keep the page for its back button
  if (source !== null) source.close();
});
addEventListener("pageshow", (shown) => { if (shown.persisted) connect(); });
connect();
