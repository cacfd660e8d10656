// The technician's page: its title says the state, its clock ticks on between two updates.

import { follow } from "./live.js";

follow(
  (update) => { document.title = update.title; },
  (sinceMs) => {
    const clock = document.getElementById("now");
    const at = new Date(Number(clock.dataset.nowMs) + sinceMs + Number(clock.dataset.offsetMs));
    if (!Number.isNaN(at.getTime())) clock.textContent = at.toISOString().slice(11, 19);
  },
);
