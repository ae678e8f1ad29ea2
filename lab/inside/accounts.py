"""Makes NetBox's administrator and the administrator's API token. Runs in NetBox's environment.

Reads {"user", "password", "key", "token"} on standard input, so that no secret is in a process list. A second run
with the same input changes nothing that a login could notice.
"""

import json
import sys

import django

django.setup()

from users.models import Token, User  # noqa: E402 (models need Django to be set up)

wanted = json.load(sys.stdin)
user, _ = User.objects.get_or_create(username=wanted["user"], defaults={"is_superuser": True})
user.set_password(wanted["password"])
user.save()
if not Token.objects.filter(key=wanted["key"]).exists():
    token = Token(user=user, version=2, key=wanted["key"], token=wanted["token"], description="The lab's own token")
    token.full_clean()
    token.save()
