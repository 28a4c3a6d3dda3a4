// The folding menu of the top bar on a phone, and sheets that close when one clicks or tabs away.
const button = document.querySelector("[data-menu-button]");
const menu = button && document.getElementById(button.getAttribute("aria-controls"));

function show(open) {
  menu.classList.toggle("is-open", open);
  button.setAttribute("aria-expanded", String(open));
}

if (menu) {
  button.addEventListener("click", () => show(button.getAttribute("aria-expanded") !== "true"));
}

const sheets = [...document.querySelectorAll("details[data-closes-outside]")];

function closeOthers(target) {
  for (const sheet of sheets) {
    if (sheet.open && !sheet.contains(target)) sheet.open = false;
  }
}

document.addEventListener("click", (event) => closeOthers(event.target));
document.addEventListener("focusin", (event) => closeOthers(event.target));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const sheet of sheets) {
    if (sheet.open) {
      sheet.open = false;
      sheet.querySelector("summary").focus();
    }
  }
  if (menu && menu.classList.contains("is-open")) {
    show(false);
    button.focus();
  }
});

// The list of what has to be put right takes the focus, so that a keyboard or a screen reader starts there.
const summary = document.querySelector("[data-takes-focus]");
if (summary) summary.focus();
