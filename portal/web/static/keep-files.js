// Keeps files as they are chosen, while the person still types. What cannot be kept now stays in its field and goes with
// the form, which keeps it as well.
async function keep(input, file, list) {
  const body = new FormData();
  body.set("csrf_token", input.form.elements.csrf_token.value);
  body.set("purpose", input.dataset.purpose);
  body.set("file", file);
  const answer = await fetch(input.dataset.keepsAt, { method: "POST", body });
  if (answer.status !== 201) return false;
  list.hidden = false;
  list.insertAdjacentHTML("beforeend", await answer.text());
  return true;
}

for (const input of document.querySelectorAll("input[type=file][data-keeps-at]")) {
  const list = input.form.querySelector("[data-kept-files]");
  input.addEventListener("change", async () => {
    input.form.setAttribute("aria-busy", "true");
    try {
      const kept = await Promise.all([...input.files].map((file) => keep(input, file, list)));
      if (kept.every(Boolean)) input.value = "";
    } catch {
      // No connection at the moment: the files stay chosen.
    } finally {
      input.form.removeAttribute("aria-busy");
    }
  });
}
