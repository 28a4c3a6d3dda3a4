// What a person would call broken on the page as it is drawn now; each problem in words.
(width) => {
  const problems = [];
  const name = (element) => {
    const text = (element.textContent || element.value || "").trim().replace(/\s+/g, " ").slice(0, 40);
    return `<${element.tagName.toLowerCase()}${element.className ? ` class="${element.className}"` : ""}> "${text}"`;
  };
  const isClippedAway = (element) => {
    for (let step = element; step && step !== document.body; step = step.parentElement) {
      const style = getComputedStyle(step);
      if (style.clipPath !== "none" || style.visibility === "hidden" || style.display === "none") return true;
      const box = step.getBoundingClientRect();
      if (box.width <= 1 && box.height <= 1 && style.overflow !== "visible") return true;
    }
    return false;
  };
  const isShown = (element) => element.checkVisibility({ visibilityProperty: true }) && !isClippedAway(element);

  const root = document.documentElement;
  if (root.scrollWidth > width) {
    const widest = [...document.body.querySelectorAll("*")].find(
      (element) => isShown(element) && element.getBoundingClientRect().right > width + 1,
    );
    problems.push(`the page scrolls sideways: ${root.scrollWidth} > ${width}, first at ${widest ? name(widest) : "?"}`);
  }

  const pieces = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const element = node.parentElement;
    if (!node.textContent.trim() || !isShown(element) || element.closest("option, script")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      if (box.width > 1 && box.height > 1 && box.bottom > 0) pieces.push({ element, node, box });
    }
    for (let step = element; step && step !== document.body; step = step.parentElement) {
      const style = getComputedStyle(step);
      if (style.overflowX === "visible" && style.overflowY === "visible") continue;
      const frame = step.getBoundingClientRect();
      const text = range.getBoundingClientRect();
      const cutX = style.overflowX !== "visible" && style.overflowX !== "auto" && text.right > frame.right + 1;
      const cutY = style.overflowY !== "visible" && style.overflowY !== "auto" && text.bottom > frame.bottom + 2;
      if (cutX || cutY) problems.push(`text is clipped: ${name(element)}`);
    }
  }
  for (let first = 0; first < pieces.length; first++) {
    const one = pieces[first];
    for (let second = first + 1; second < pieces.length; second++) {
      const other = pieces[second];
      if (one.node === other.node) continue;
      const across = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
      const down = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
      // Line boxes of neighbouring lines may touch by their leading; letters do not.
      if (across > 2 && down > Math.min(one.box.height, other.box.height) * 0.4) {
        problems.push(`text overlaps: ${name(one.element)} and ${name(other.element)}`);
      }
    }
  }

  const isInSentence = (element) =>
    getComputedStyle(element).display === "inline" &&
    [...element.parentElement.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
  for (const target of document.querySelectorAll("a[href], button, input, select, textarea, summary")) {
    if (target.type === "hidden" || !isShown(target) || isInSentence(target)) continue;
    const box = target.getBoundingClientRect();
    if (box.bottom <= 0) continue;
    const least = target.matches(".btn-primary") ? 44 : 24;
    if (box.height < least - 0.5 || box.width < 24 - 0.5) {
      problems.push(`a target of ${Math.round(box.width)} by ${Math.round(box.height)} is under ${least}: ${name(target)}`);
    }
  }

  for (const table of document.querySelectorAll("table")) {
    const edges = new Map();
    for (const cell of table.querySelectorAll(".money-cell")) {
      if (!isShown(cell)) continue;
      const range = document.createRange();
      range.selectNodeContents(cell);
      const column = edges.get(cell.cellIndex) || [];
      column.push(range.getBoundingClientRect().right);
      edges.set(cell.cellIndex, column);
    }
    for (const column of edges.values()) {
      if (Math.max(...column) - Math.min(...column) > 1) problems.push("amounts of a column do not share their right edge");
    }
  }
  return problems;
};
