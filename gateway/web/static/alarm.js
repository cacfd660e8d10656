// Grave alarms: over the whole screen, with sound and in the tab's title, until somebody has seen them on this screen.
// A browser plays no sound before the first touch or key; until then the page says so.

import { texts } from "./live.js";

const SEEN = "zhijiao-alarms-seen"; // ids of events, so that a reload does not ring again; nobody's data
const BEEP_S = [0, 0.35, 0.7];
const AGAIN_MS = 2500;

const dialog = document.getElementById("alarm-dialog");
let sound = null;
let title = document.title;

function seenIds() {
  try {
    return new Set(JSON.parse(sessionStorage.getItem(SEEN) || "[]"));
  } catch {
    return new Set();
  }
}

export function markSeen(id) {
  const kept = Array.from(seenIds()).slice(-200);
  sessionStorage.setItem(SEEN, JSON.stringify([...kept, id]));
  look();
}

export function setTitle(text) {
  if (text) title = text;
  look();
}

// Shows what nobody here has seen yet, and nothing once all is seen or over.
export function look() {
  if (dialog === null) return;
  const seen = seenIds();
  let unseen = 0;
  for (const one of dialog.querySelectorAll("[data-alarm]")) {
    one.hidden = seen.has(one.dataset.alarm);
    unseen += one.hidden ? 0 : 1;
  }
  if (unseen > 0 && !dialog.open) {
    dialog.showModal();
    beep();
  }
  if (unseen === 0 && dialog.open) {
    dialog.close();
    document.getElementById("alarm-told").hidden = true;
  }
  const wanted = unseen > 0 ? `【${texts.alarm} ${unseen}】${title}` : title;
  if (document.title !== wanted) document.title = wanted;
  // Its place stays: what moves between press and release of a button takes the click away.
  document.getElementById("sound-off").classList.toggle("is-gone", running());
}

function running() {
  return sound !== null && sound.state === "running";
}

// A gesture allows sound from then on, for alarms that come hours later.
async function allow() {
  if (running()) return;
  try {
    sound = sound || new AudioContext();
    await sound.resume();
  } catch {
    sound = null; // no device for sound here
  }
  look();
  if (dialog !== null && dialog.open) beep();
}

function beep() {
  if (!running()) return;
  for (const at of BEEP_S) {
    const tone = sound.createOscillator();
    const volume = sound.createGain();
    tone.type = "square";
    tone.frequency.value = 880;
    volume.gain.value = 0.15;
    tone.connect(volume).connect(sound.destination);
    tone.start(sound.currentTime + at);
    tone.stop(sound.currentTime + at + 0.2);
  }
  document.body.dataset.beeps = String(Number(document.body.dataset.beeps || 0) + 1);
}

if (dialog !== null) {
  addEventListener("pointerdown", allow);
  addEventListener("keydown", allow);
  dialog.addEventListener("cancel", (event) => event.preventDefault()); // Escape is not "seen"
  setInterval(() => { look(); if (dialog.open) beep(); }, AGAIN_MS);
}
