"""A real browser for tests: how it starts, what a page must satisfy, pictures on request.

``assert_pleasant(page)`` is asked on every page a browser test meets: axe finds nothing against WCAG 2.2 A and AA, and
the page as drawn has no sideways scroll, no clipped or overlapping text, no target too small for a finger, and amounts
that share their right edge.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Playwright

# The first is Chromium without a window: it draws the same in two thirds of the time.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)
WHY_SKIPPED = "no Chromium on the PATH: install the package chromium-headless-shell or chromium for the browser tests"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE_PIXELS = 390
DESK_PIXELS = 1280
HEIGHT_PIXELS = 844
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]

_LAYOUT = (Path(__file__).parent / "layout.js").read_text("utf-8")
_axe = Axe()


def start(playwright: Playwright) -> Browser:
    """A Chromium that talks to nobody but the page's own server."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


def assert_pleasant(page: Page, name: str = "", *, axe: bool = True) -> None:
    """Nothing that axe objects to, nothing drawn wrongly; ``name`` is the picture's, when pictures are asked for."""
    # A click returns while the next page may still be arriving.
    page.wait_for_load_state()
    picture(page, name)
    problems = [*layout_problems(page), *(axe_problems(page) if axe else ())]
    assert not problems, f"{page.url}:\n" + "\n".join(problems)


def rows_of_cards(page: Page) -> list[list[dict[str, float]]]:
    """The cards of the page as they are drawn, row by row: left, right, top and bottom of each."""
    found: list[dict[str, float]] = page.evaluate(
        """() => [...document.querySelectorAll("main .card-box")].map((card) => {
          const { left, right, top, bottom } = card.getBoundingClientRect();
          return { left, right, top, bottom };
        })"""
    )
    rows: list[list[dict[str, float]]] = []
    for card in sorted(found, key=lambda each: (round(each["top"]), each["left"])):
        if rows and abs(rows[-1][0]["top"] - card["top"]) < 1:
            rows[-1].append(card)
        else:
            rows.append([card])
    return rows


def axe_problems(page: Page) -> list[str]:
    """What axe finds, a line for each element."""
    options = {"runOnly": {"type": "tag", "values": WCAG}, "resultTypes": ["violations"]}
    found = _axe.run(page, options=options).response["violations"]
    return [
        f"{violation['id']}: {violation['help']}: {node['html'][:160]} {node.get('failureSummary', '')[:300]}"
        for violation in found
        for node in violation["nodes"]
    ]


def layout_problems(page: Page) -> list[str]:
    """What is drawn wrongly, in words."""
    assert page.viewport_size is not None
    found: list[str] = page.evaluate(_LAYOUT, page.viewport_size["width"])
    return found


def picture(page: Page, name: str) -> None:
    """Keep what the page looks like, where PORTAL_SCREENSHOTS names a folder."""
    folder = os.environ.get("PORTAL_SCREENSHOTS")
    if not folder or not name or page.viewport_size is None:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    page.screenshot(path=f"{folder}/{slug}-{page.viewport_size['width']}.png", full_page=True)
