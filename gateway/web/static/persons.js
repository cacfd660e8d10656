// The list filters itself; a person's page follows the gateway and sends what staff decide.

import { follow, send } from "./regions.js";

const body = document.body;
const card = document.getElementById("enrol-card");

const post = (what, values) => send(`${body.dataset.address}/${what}`, values);

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const given = new FormData(form);
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  if (form.id === "enrol") {
    const finger = form.querySelector("[name=device]:checked").dataset.factor === "finger";
    const label = finger && given.get("label") !== "" ? given.get("label") : null;
    await post("enrol", { device: given.get("device"), label, consent: given.get("consent") === "yes" });
  } else if (form.id === "vouch") {
    await post("vouch", { reason: given.get("reason") });
  } else if (await post("release", { reason: given.get("reason"), sure: given.get("sure") === "yes" })) {
    form.reset();
    step(false);
  }
  button.disabled = false;
});

document.addEventListener("click", (event) => {
  if (event.target.id === "cancel") post("cancel", {});
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
  // Nothing else is begun while one runs.
  follow(() => { if (card !== null) card.hidden = document.querySelector("#person-enrolment .now") !== null; });
}
