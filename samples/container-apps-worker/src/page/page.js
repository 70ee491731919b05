// Brings the page up to date every few seconds, without a reload, so that nobody loses the place or the focus.
"use strict";

const EVERY = 3000;
const button = document.getElementById("refreshing");
const trouble = document.getElementById("trouble");
let stopped = false;

async function refresh() {
  if (stopped || document.hidden) return;
  try {
    const answer = await fetch(location.pathname, { cache: "no-store", signal: AbortSignal.timeout(EVERY) });
    if (!answer.ok) throw new Error(`the worker answered ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.getElementById("now").replaceWith(page.getElementById("now"));
    document.title = page.title;
    trouble.textContent = "";
  } catch (error) {
    trouble.textContent = `Not refreshed: ${error.message}. This is how things stood at the time above.`;
  }
}

button.hidden = false;
button.addEventListener("click", () => {
  stopped = !stopped;
  button.textContent = stopped ? "Refresh again" : "Stop refreshing";
  refresh();
});
setInterval(refresh, EVERY);
