// Checks a document while it is being written, and leads from a problem to its line. The page's buttons do the same.
const text = document.querySelector("textarea[data-checks]");
const answer = document.querySelector("[data-check]");
const PAUSE = 700;
let waiting = null;
let asked = 0;

function goToLine(number) {
  const lines = text.value.split("\n");
  const start = lines.slice(0, number - 1).reduce((sum, line) => sum + line.length + 1, 0);
  text.focus();
  text.setSelectionRange(start, start + (lines[number - 1] ?? "").length);
  const height = text.scrollHeight / Math.max(lines.length, 1);
  text.scrollTop = Math.max(0, (number - 4) * height);
}

async function check() {
  asked += 1;
  const mine = asked;
  const response = await fetch(text.dataset.checks, { method: "POST", body: new FormData(text.form) });
  // A later question may have been answered already; a signed-out page keeps what it shows.
  if (mine !== asked || !response.ok || response.redirected) return;
  const parsed = new DOMParser().parseFromString(await response.text(), "text/html");
  answer.replaceChildren(...parsed.body.childNodes);
  answer.dataset.checked = String(mine);
}

if (text && answer) {
  text.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => check().catch(() => {}), PAUSE);
  });
  answer.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-line]");
    if (!link) return;
    event.preventDefault();
    goToLine(Number(link.dataset.line));
  });
}
