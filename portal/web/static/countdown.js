// Keeps "due in 1 h 20 min (14:35)" and the running timer true while the page stays open.
function duration(seconds) {
  const minutes = Math.floor(Math.abs(seconds) / 60);
  if (minutes === 0) return seconds === 0 ? "0 min" : "under 1 min";
  const parts = [
    [Math.floor(minutes / 1440), "d"],
    [Math.floor(minutes / 60) % 24, "h"],
    [minutes % 60, "min"],
  ];
  return parts
    .filter(([count]) => count > 0)
    .slice(0, 2)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}

function tickDue() {
  for (const element of document.querySelectorAll("time.due")) {
    const seconds = Math.trunc((new Date(element.dateTime) - Date.now()) / 1000);
    const words = seconds >= 0 ? `due in ${duration(seconds)}` : `overdue by ${duration(-seconds)}`;
    element.textContent = `${words} (${element.dataset.clock})`;
    element.classList.toggle("due-late", seconds < 0);
  }
}

function tickTimers() {
  for (const element of document.querySelectorAll("[data-ticks-since]")) {
    const seconds = Math.max(0, Math.trunc((Date.now() - new Date(element.dataset.ticksSince)) / 1000));
    const hours = Math.floor(seconds / 3600);
    const minutes = Math.floor(seconds / 60) % 60;
    const pad = (number) => String(number).padStart(2, "0");
    element.textContent = `${hours}:${pad(minutes)}:${pad(seconds % 60)}`;
  }
}

if (document.querySelector("time.due")) setInterval(tickDue, 15000);
if (document.querySelector("[data-ticks-since]")) {
  tickTimers();
  setInterval(tickTimers, 1000);
}
