// Takes the kiosk's token from the address (after #, which no server sees) or from the field, and hands it over once.
// The gateway answers with a cookie that no script can read; nothing is kept here.

const field = document.getElementById("token");
const states = ["busy", "refused", "failed"].map((id) => document.getElementById(id));

function say(id) {
  for (const one of states) one.hidden = one.id !== id;
}

async function pair(token) {
  say("busy");
  field.value = "";
  try {
    const answer = await fetch("/kiosk/pair", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Kiosk-Page": "1" },
      body: JSON.stringify({ token }),
    });
    if (answer.ok) location.replace("/kiosk");
    else say(answer.status < 500 ? "refused" : "failed");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    say("failed");
  }
}

function given() {
  const token = field.value.trim();
  if (token !== "") pair(token);
}

document.getElementById("go").addEventListener("click", given);
field.addEventListener("keydown", (event) => { if (event.key === "Enter") given(); });

const token = decodeURIComponent(location.hash.slice(1));
if (token !== "") {
  history.replaceState(null, "", "/kiosk/pair"); // the token must not stay in the history
  pair(token);
}
