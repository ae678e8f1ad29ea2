"""A headless Chromium, as tests use it: what a page looks like at a width, and what is written on it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)

# Measured in frames of exactly the widths asked for: a window of a browser is never narrower than 500.
FRAMES = """<!DOCTYPE html><title>-</title><body><pre id="figures"></pre><script>
const measured = (d, width) => {{
  const all = [...d.querySelectorAll('main *, header *, footer *')];
  const hidden = '.visually-hidden, thead';
  const beyond = all.filter(e => e.getBoundingClientRect().right > width + 1 && !e.closest(hidden));
  const text = s => [...d.querySelectorAll(s)].map(e => e.innerText);
  return {{
    width: d.documentElement.scrollWidth,
    beyond: beyond.map(e => e.tagName + '.' + e.className),
    items: [...d.querySelectorAll('[data-item]')].map(e => [e.dataset.group, e.innerText]),
    unlisted: text('[data-thing]'), absent: text('[data-state=absent][data-asset]'),
    warranty: Object.fromEntries([...d.querySelectorAll('[data-warranty]')].map(
      e => [e.dataset.warranty, e.querySelector('.result .chip').innerText])),
    small: all.filter(e => e.innerText && parseFloat(getComputedStyle(e).fontSize) < 11).map(e => e.className),
  }};
}};
const frame = width => new Promise(done => {{
  const f = document.createElement('iframe');
  f.width = width; f.height = 900; f.src = '{page}';
  f.onload = () => done(measured(f.contentDocument, width));
  document.body.append(f);
}});
Promise.all({widths}.map(frame)).then(all => {{ figures.textContent = JSON.stringify(all); }});
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
    return measure_all(page, tmp_path, [width])[width]


def measure_all(page: Path, tmp_path: Path, widths: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The same for several widths, by width, with one browser."""
    frames = tmp_path / "frames.html"
    frames.write_text(FRAMES.format(widths=list(widths), page=page.name), encoding="utf-8")
    dom = chromium(tmp_path, "--window-size=1400,1000", "--dump-dom", frames.as_uri())
    found = re.search(r'<pre id="figures">(.*?)</pre>', dom, re.DOTALL)
    assert found and found[1], "the page was not measured"
    figures = json.loads(found[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    return dict(zip(widths, figures, strict=True))
