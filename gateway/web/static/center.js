// The center's page asks for itself again, and says so when nobody answers. Nothing is kept in the browser.

import { morph } from "./morph.js";

const EVERY_MS = 15000;
const main = document.getElementById("main");
const lost = document.getElementById("lost");

setInterval(async () => {
  let answered = false;
  try {
    const got = await fetch(location.href, { signal: AbortSignal.timeout(EVERY_MS) });
    const page = new DOMParser().parseFromString(await got.text(), "text/html");
    const fresh = page.getElementById("main");
    answered = got.ok && fresh !== null;
    if (answered) morph(main, fresh.innerHTML);
  } catch {
    answered = false;
  }
  lost.hidden = answered;
  document.body.classList.toggle("is-stale", !answered);
}, EVERY_MS);
