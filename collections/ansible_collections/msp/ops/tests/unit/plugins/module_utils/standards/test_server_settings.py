# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the files of servers have in common."""

from __future__ import annotations

from ansible_collections.msp.ops.plugins.module_utils.standards import server_settings
from ansible_collections.msp.ops.plugins.module_utils.standards.file_writing import by_path
from ansible_collections.msp.ops.plugins.module_utils.standards.server_settings import Setting


def test_a_setting_is_replaced_as_its_text_stands_there_whatever_that_is() -> None:
    one = Setting("/etc/x", (), "a", ("(.*)",), r"a (.*) \1;")
    row = server_settings.replaced(one, r"^([ \t]*)", r"a \d;")
    (change,) = by_path([row])["/etc/x"]

    assert change.of("  a (.*) \\1;\na 1;\n") == "  a \\d;\na 1;\n"


def test_a_change_that_two_settings_need_is_made_once() -> None:
    rows = [{"paths": ["/etc/x"]}, {"paths": ["/etc/y"]}, {"paths": ["/etc/x"]}]
    assert server_settings.unique(rows) == rows[:2]


def test_a_file_of_ours_says_so_and_gets_more_lines_at_its_end() -> None:
    first = server_settings.added(None, ["a;"])
    assert first.startswith("# Written by msp.ops.") and server_settings.added(first, ["b;"]) == first + "b;\n"
