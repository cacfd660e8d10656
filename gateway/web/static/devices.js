// The technician's pages: what is clicked is sent, what comes of it is seen in the regions that follow the gateway.

import { follow, send } from "./regions.js";

const at = document.body.dataset.address; // of one device; empty on the list

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const given = Object.fromEntries(new FormData(form));
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  if (form.id === "search") await send("/devices/search", { port: given.port === "" ? null : given.port });
  else if (form.classList.contains("add")) await send("/devices/add", { ...given, kiosk: given.kiosk || null });
  else if (form.id === "test") await send(`${at}/test`, {});
  else if (form.id === "test-end") await send(`${at}/test-end`, {});
  else if (form.id === "move") await send(`${at}/move`, { kiosk: given.kiosk || null });
  else if (form.classList.contains("instead")) await send(`${at}/replace`, { port: given.port });
  else if (form.id === "remove" && (await send(`${at}/remove`, { sure: given.sure === "yes" }))) location.assign("/devices");
  button.disabled = false;
});

document.addEventListener("click", (event) => {
  if (event.target.id === "remove-first") step(true);
  if (event.target.id === "remove-not") step(false);
});

function step(sure) {
  document.getElementById("remove-sure").hidden = !sure;
  document.getElementById("remove-first").hidden = sure;
}

follow(() => {});
