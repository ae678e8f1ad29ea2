"""NetBox's configuration in a lab. Runs in NetBox's own environment; its values come from settings.json beside it.

Holds no secret itself: those are files of mode 0600 whose paths are in settings.json.
"""

import json
from pathlib import Path
from urllib.parse import quote

_settings = json.loads((Path(__file__).parent / "settings.json").read_text())


def _secret(name: str) -> str:
    return (Path(_settings["secrets"]) / name).read_text().strip()


# Bound to loopback; the names keep a web page elsewhere from reaching it by DNS.
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _settings["database"],
        "USER": "postgres",
        "HOST": _settings["postgres"],
        "CONN_MAX_AGE": 300,
        # A test may put the database back to an earlier state under a running NetBox.
        "CONN_HEALTH_CHECKS": True,
    }
}
REDIS = {
    name: {"URL": f"unix://{quote(_settings['redis'])}?db={number}", "DATABASE": number, "SSL": False}
    for number, name in enumerate(("tasks", "caching"))
}
SECRET_KEY = _secret("secret_key")
API_TOKEN_PEPPERS = {1: _secret("pepper")}
TIME_ZONE = "UTC"
# Nothing leaves the machine.
CENSUS_REPORTING_ENABLED = False
RELEASE_CHECK_URL = None
ISOLATED_DEPLOYMENT = True
