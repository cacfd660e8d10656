// Prints, and goes back to the kiosk by itself: the next person must not find this receipt.

const STAYS_MS = 15000;

const back = () => location.replace("/kiosk");
document.getElementById("print").addEventListener("click", () => window.print());
document.getElementById("back").addEventListener("click", (event) => { event.preventDefault(); back(); });
addEventListener("afterprint", back);
addEventListener("pagehide", () => { document.body.textContent = ""; });
setTimeout(back, STAYS_MS);
window.print();
