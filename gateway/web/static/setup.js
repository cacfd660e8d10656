// The first run: what is typed is sent, what comes of it is seen in the regions that follow the gateway.

import { follow, send } from "./regions.js";

const PATHS = { name: "/setup/name", network: "/setup/network", keep: "/setup/network/keep", undo: "/setup/network/undo" };

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  await send(PATHS[form.id], Object.fromEntries(new FormData(form)), form);
  button.disabled = false;
});

const method = document.getElementById("method");
if (method !== null) {
  method.addEventListener("change", () => { document.getElementById("fixed").hidden = method.value !== "manual"; });
}

// While the gateway cannot be heard, as when its address has just changed, the time runs on here.
setInterval(() => {
  if (!document.body.classList.contains("is-stale")) return;
  for (const left of document.querySelectorAll(".left")) left.textContent = Math.max(0, Number(left.textContent) - 1);
}, 1000);

follow(() => {});
