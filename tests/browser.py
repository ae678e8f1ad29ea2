"""A headless Chromium, as tests use it: what a page looks like at a width, and what is written on it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)

# Measured in a frame of exactly the width asked for: a window of a browser is never narrower than 500.
FRAME = """<!DOCTYPE html><title>-</title><iframe id="f" width="{width}" height="900" src="{page}"></iframe>
<pre id="figures"></pre><script>
f.onload = () => {{
  const d = f.contentDocument, all = [...d.querySelectorAll('main *, header *, footer *')];
  const hidden = '.visually-hidden, thead';
  const beyond = all.filter(e => e.getBoundingClientRect().right > {width} + 1 && !e.closest(hidden));
  const text = s => [...d.querySelectorAll(s)].map(e => e.innerText);
  figures.textContent = JSON.stringify({{
    width: d.documentElement.scrollWidth,
    beyond: beyond.map(e => e.tagName + '.' + e.className),
    items: [...d.querySelectorAll('[data-item]')].map(e => [e.dataset.group, e.innerText]),
    unlisted: text('[data-thing]'), absent: text('[data-state=absent][data-asset]'),
    warranty: Object.fromEntries([...d.querySelectorAll('[data-warranty]')].map(
      e => [e.dataset.warranty, e.querySelector('.result .chip').innerText])),
    small: all.filter(e => e.innerText && parseFloat(getComputedStyle(e).fontSize) < 11).map(e => e.className),
  }});
}};
</script>"""


def chromium(tmp_path: Path, *arguments: str) -> str:
    quiet = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-sync", "--hide-scrollbars", *quiet]
    profile = [
        f"--user-data-dir={tmp_path / 'profile'}",
        "--allow-file-access-from-files",
        "--virtual-time-budget=5000",
    ]
    done = subprocess.run([*command, *profile, *arguments], capture_output=True, text=True, check=True, timeout=120)
    return done.stdout


def measure(page: Path, tmp_path: Path, width: int) -> dict[str, Any]:
    """A page as a window of this width shows it; the page has to lie in tmp_path."""
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(width=width, page=page.name), encoding="utf-8")
    dom = chromium(tmp_path, "--window-size=1400,1000", "--dump-dom", frame.as_uri())
    found = re.search(r'<pre id="figures">(.*?)</pre>', dom, re.DOTALL)
    assert found and found[1], "the page was not measured"
    return dict(json.loads(found[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")))
