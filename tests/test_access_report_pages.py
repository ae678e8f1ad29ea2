"""The report on logins as a person sees it: in a headless Chromium, on a phone and on a desk. Made data."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.msp.ops.plugins.plugin_utils.access.report_page import told
from ansible_collections.msp.ops.plugins.plugin_utils.report.standing_page import page
from ansible_collections.msp.ops.tests.unit.plugins.plugin_utils.access.made_access import customer, made, nobody
from tests.browser import CHROMIUM, chromium, measure, measure_all

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")
PHONE, DESK = 390, 1280
WIDTHS = (320, PHONE, 768, DESK)
LONG = "anaccountwithaverylongnamethatsomebodyoncethoughtwashelpful" * 3


def write(tmp_path: Path, language: str = "nl", *, words: str = "", empty: bool = False) -> Path:
    """The page of the made customer; words are everything that others wrote in it."""
    found = nobody() if empty else made()
    if words:
        host = found.hosts[0]
        accounts = tuple(
            replace(one, account=replace(one.account, name=words, unknown=(words,))) for one in host.accounts
        )
        named = replace(host, look=replace(host.look, name=words, error=words), accounts=accounts, unknown=(words,))
        assert found.cloud is not None
        people = tuple(replace(one, name=words, display=words, by=(words,), why=(words,)) for one in found.cloud.people)
        found = replace(
            found, hosts=(named,), cloud=replace(found.cloud, people=people, unknown=(words,)), wrong={words: words}
        )
    said = told(found, customer(language, words or "Bakkerij Jansen"), words or "Noordkaap IT", "access-report.json")
    path = tmp_path / "report.html"
    path.write_text(page(said), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[int, dict[str, Any]]]:
    """The page of the made customer by language and width."""
    found = {}
    for language in ("nl", "en"):
        place = tmp_path_factory.mktemp(language)
        found[language] = measure_all(write(place, language), place, WIDTHS)
    return found


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", ["nl", "en"])
def test_nothing_is_wider_than_the_screen_and_nothing_too_small_to_read(
    language: str, width: int, shown: dict[str, dict[int, dict[str, Any]]]
) -> None:
    found = shown[language][width]
    assert (found["width"], found["beyond"], found["small"]) == (width, [], [])


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_person_sees_every_account_what_it_takes_and_who_has_to_enrol(
    width: int, shown: dict[str, dict[int, dict[str, Any]]]
) -> None:
    items = shown["en"][width]["items"]
    assert {group for group, _words in items} == {
        *("assets", "enrol", "cloud", "guests", "emergency", "others", "dark"),
    }
    first = next(words for group, words in items if group == "assets")
    assert "bert" in first and "jansen-srv01" in first and "password" in first and "no second proof" in first
    assert sum(group == "assets" for group, _words in items) == 8
    assert any("does not exist" in words for group, words in items if group == "emergency")


def test_very_long_words_do_not_widen_the_page_of_a_phone(tmp_path: Path) -> None:
    found = measure(write(tmp_path, words=LONG), tmp_path, PHONE)
    assert (found["width"], found["beyond"]) == (PHONE, [])


def test_a_customer_without_anything_has_a_page_too(tmp_path: Path) -> None:
    found = measure(write(tmp_path, empty=True), tmp_path, PHONE)
    assert (found["width"], found["beyond"], found["items"]) == (PHONE, [], [])


def test_the_content_policy_lets_the_page_be_styled_and_blocks_everything_else(tmp_path: Path) -> None:
    path = write(tmp_path)
    probe = "<script>document.title='ran'</script><img src=x onerror=\"document.title='ran'\"></body>"
    path.write_text(path.read_text().replace("</body>", probe), encoding="utf-8")
    assert "<title>ran</title>" not in chromium(tmp_path, "--dump-dom", path.as_uri())


def test_it_prints_on_a4(tmp_path: Path) -> None:
    target = tmp_path / "report.pdf"
    chromium(tmp_path, f"--print-to-pdf={target}", "--no-pdf-header-footer", write(tmp_path).as_uri())
    boxes = re.findall(rb"/MediaBox\s*\[([^\]]+)\]", target.read_bytes())
    assert {tuple(round(float(n)) for n in box.split()) for box in boxes} == {(0, 0, 595, 842)}
