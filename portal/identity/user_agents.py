"""What people call the browser that a user agent names: ``Firefox on Windows``. Pure; the exact text stays beside it.

Browsers name others they resemble, so the first name that fits decides; one that is not known keeps its own words.
"""

from __future__ import annotations

# *Source*: developer.mozilla.org/docs/Web/HTTP/Reference/Headers/User-Agent, 2026-11.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)
_UNKNOWN = "Unknown browser"
# Of what nobody knows, so much is shown.
_SHOWN_CHARACTERS = 60


def browser_words(user_agent: str) -> str:
    """The browser and its system, the user agent's own beginning where no browser is known."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    if not browser:
        return user_agent.strip()[:_SHOWN_CHARACTERS] or _UNKNOWN
    return f"{browser} on {system}" if system else browser
