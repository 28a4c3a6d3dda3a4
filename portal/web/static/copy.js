// Shows the copy buttons where copying works, and says so when it did.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll("button[data-copies]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copies);
      button.textContent = "Copied";
    });
  }
}
