// Runs before the first paint, so that the folded menu never flashes open; without scripts the menu stays open.
document.documentElement.classList.add("scripted");
