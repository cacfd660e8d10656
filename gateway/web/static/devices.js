// The technician's pages: what is clicked is sent, what comes of it is seen in the regions that follow the gateway.

import { follow, send } from "./regions.js";

const at = document.body.dataset.address; // of one device; empty on the list

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.id === "kind") return; // a page of its own
  event.preventDefault();
  const given = Object.fromEntries(new FormData(form));
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  if (form.id === "search") await send("/devices/search", { port: given.port === "" ? null : given.port });
  else if (form.classList.contains("add")) await send("/devices/add", { ...given, kiosk: given.kiosk || null });
  else if (form.id === "test") await send(`${at}/test`, {});
  else if (form.id === "test-end") await send(`${at}/test-end`, {});
  else if (form.id === "move") await send(`${at}/move`, { kiosk: given.kiosk || null });
  else if (form.id === "settings") await send(`${at}/settings`, { filled: settings(given) }, form);
  else if (form.id === "new") {
    const whole = { kind: given[":kind"], device: given[":device"], kiosk: given[":kiosk"] || null, filled: settings(given) };
    if (await send("/devices/new", whole, form)) location.assign(`/devices/at/${whole.device}`);
  } else if (form.classList.contains("instead")) await send(`${at}/replace`, { port: given.port });
  else if (form.id === "remove" && (await send(`${at}/remove`, { sure: given.sure === "yes" }))) location.assign("/devices");
  button.disabled = false;
});

// The names of settings are the driver's; what belongs to the page begins with a colon.
function settings(given) {
  return Object.fromEntries(Object.entries(given).filter(([name]) => !name.startsWith(":")));
}

document.addEventListener("click", (event) => {
  if (event.target.id === "remove-first") step(true);
  if (event.target.id === "remove-not") step(false);
});

function step(sure) {
  document.getElementById("remove-sure").hidden = !sure;
  document.getElementById("remove-first").hidden = sure;
}

if (document.body.dataset.live !== "") follow(() => {});
