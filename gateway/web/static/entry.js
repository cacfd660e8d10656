// Narrows the list of people to what was typed: only what is in the page already, nothing is asked of anybody.
// And a form that was sent is not sent twice by a second click.

const find = document.getElementById("find");
if (find !== null) {
  const list = document.getElementById("ref");
  document.getElementById("find-person").hidden = false;
  find.addEventListener("input", () => {
    const wanted = find.value.trim().toLowerCase();
    for (const group of list.querySelectorAll("optgroup")) {
      let any = false;
      for (const one of group.children) {
        one.hidden = one.disabled = !(group.label + " " + one.textContent).toLowerCase().includes(wanted);
        any = any || !one.hidden;
      }
      group.hidden = !any;
    }
    const open = Array.from(list.querySelectorAll("option")).filter((one) => one.value && !one.hidden);
    if (open.length === 1) list.value = open[0].value;
    else if (list.selectedOptions[0] && list.selectedOptions[0].hidden) list.value = "";
  });
}

for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", (sent) => {
    if (form.dataset.sent) sent.preventDefault();
    form.dataset.sent = "yes";
  });
}
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form")) delete form.dataset.sent;
});
