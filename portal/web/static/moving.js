// A page that shows work in progress looks again by itself; without script there is a link that does.
const moving = document.querySelector("[data-looks-again]");
if (moving) {
  setTimeout(() => location.reload(), Number(moving.dataset.looksAgain) * 1000);
}
