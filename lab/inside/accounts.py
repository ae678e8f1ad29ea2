"""Makes NetBox's administrator and the administrator's API token, out of files that nobody else can read.

Runs in NetBox's environment, in the process that becomes the web server. What is there already stays as it is.
"""

import json
import os
from pathlib import Path


def ensure() -> None:
    # Models can be imported only when Django is set up.
    from users.models import Token, User

    settings = json.loads((Path(os.environ["NETBOX_ROOT"]) / "conf" / "settings.json").read_text())
    secrets = Path(settings["secrets"])
    user, is_new = User.objects.get_or_create(username=settings["admin"], defaults={"is_superuser": True})
    if is_new:
        user.set_password((secrets / "admin_password").read_text())
        user.save()
    key, _, plain = (secrets / "token").read_text().removeprefix("nbt_").partition(".")
    if not Token.objects.filter(key=key).exists():
        token = Token(user=user, version=2, key=key, token=plain, description="The lab's own token")
        token.full_clean()
        token.save()
