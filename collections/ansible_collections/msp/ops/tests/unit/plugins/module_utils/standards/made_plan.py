# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What msp.ops.files makes of the texts of files with a plan."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.msp.ops.plugins.module_utils.standards.file_writing import by_path
from ansible_collections.msp.ops.plugins.module_utils.standards.server_settings import Plan


def applied(plan: Plan, texts: Mapping[str, str]) -> dict[str, str]:
    after = {**texts, **plan.contents}
    for path, changes in by_path(plan.replacements).items():
        for change in changes:
            after[path] = change.of(after[path])
    return after
