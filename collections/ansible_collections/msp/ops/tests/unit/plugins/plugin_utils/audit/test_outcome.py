# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What became of an attempt, from what Ansible says of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.msp.ops.plugins.module_utils.audit.host import Host
from ansible_collections.msp.ops.plugins.module_utils.audit.packed import pack
from ansible_collections.msp.ops.plugins.module_utils.audit.survey import audit
from ansible_collections.msp.ops.plugins.plugin_utils.audit import outcome


@pytest.mark.parametrize(
    "said",
    [
        {"failed": True, "rc": 127, "module_stdout": "", "module_stderr": "/bin/sh: 1: /usr/bin/python3: not found\n"},
        {"failed": True, "msg": "The module interpreter '/usr/bin/python9' was not found."},
        {"failed": True, "msg": "No python interpreters found for host srv01 (tried ['python3.14', 'python3'])"},
        {"failed": True, "rc": 127, "module_stdout": "bash: python3: command not found\r\n"},
        {"failed": True, "rc": 1, "module_stderr": "ansible-core requires a minimum of Python version 3.9."},
        {"failed": True, "rc": 1, "module_stderr": "  File \"x\"\n    nope\nSyntaxError: invalid syntax"},
    ],
)  # fmt: skip
def test_a_host_without_a_usable_python_is_told_from_a_failure(said: dict[str, Any]) -> None:
    found = outcome.read("srv01", said)

    assert found.outcome == outcome.NO_PYTHON
    assert found.error is not None
    assert found.error.code == "MSP-AUD-001"
    assert "python3" in found.error.action


@pytest.mark.parametrize(
    "said",
    [
        {"failed": True, "msg": "Missing sudo password"},
        {"failed": True, "rc": 127, "module_stderr": "/bin/sh: 1: sudo: not found", "msg": "MODULE FAILURE"},
        {"failed": True, "rc": 1, "module_stderr": "OSError: [Errno 28] No space left on device"},
        {"failed": False},
        {},
    ],
)
def test_any_other_failure_is_failed_with_what_was_said(said: dict[str, Any]) -> None:
    found = outcome.read("srv01", said)

    assert found.outcome == outcome.FAILED
    assert found.error is not None
    assert found.error.code == "MSP-AUD-002"


@pytest.mark.parametrize("packed", ["", "AAAA", pack({"facts": {}}), pack({"facts": {}, "volatile": {}, "seconds": 1})])
def test_a_result_that_is_none_is_refused_and_not_stored(packed: str) -> None:
    found = outcome.read("srv01", {"packed": packed})

    assert found.outcome == outcome.FAILED
    assert found.error is not None
    assert found.error.code == "MSP-AUD-004"
    assert found.facts == {}


def test_a_whole_result_is_ok(tmp_path: Any) -> None:
    facts, volatile = audit(Host(str(tmp_path)), 1000.0)

    found = outcome.read("srv01", {"packed": pack({"facts": facts, "volatile": volatile, "seconds": 0.2})})

    assert (found.outcome, found.facts, found.seconds, found.error) == ("ok", facts, 0.2, None)


@given(st.text(max_size=2000))
def test_what_a_host_says_is_cut_to_one_short_line(said: str) -> None:
    error = outcome.failed("srv01", said)

    assert len(error.found) <= 310
    assert "\n" not in error.found
    assert error.found
