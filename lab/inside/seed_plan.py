"""The patch plans of a seeded NetBox: valid each by itself, and still one when NetBox merges several. Pure.

Runs in NetBox's environment, which has nothing of ours: the form is checked by a test.
"""

from __future__ import annotations

from typing import Any


def patch_plan(number: int, reboot: str) -> dict[str, Any]:
    """The plan of one config context. Contexts share names of windows, so that some of their values are overridden."""
    window, batch = f"window-{number % 5}", f"batch-{number % 3}"
    return {
        "name": f"plan-{number % 7}",
        "timezone": "Europe/Amsterdam",
        "automatic": "security",
        "classes": {
            "emergency": {"deadline": "48h", "windows": "any"},
            "security": {"deadline": "14d", "windows": [window]},
            "routine": {"deferral": "7d", "deadline": "90d", "windows": [window], "batch": batch},
        },
        "batches": {batch: {"rule": "FREQ=MONTHLY;BYDAY=3TU", "start": "12:00"}},
        "windows": {
            window: {
                "rule": "FREQ=WEEKLY;BYDAY=TU,TH",
                "start": f"{number % 24:02}:00",
                "duration": "4h",
                "cutoff": "1h",
            }
        },
        "rings": [
            {"name": "pilot", "tag": "msp-ring-pilot", "percent": 5, "soak": "24h", "successes": 1},
            {"name": "broad", "tag": "msp-ring-broad", "percent": 95, "soak": "0h", "successes": 1},
        ],
        "rates": {"at_once": "10%", "most_failures": 1, "most_lost": 1},
        "reboot": reboot,
        "rollback": "downgrade",
    }
