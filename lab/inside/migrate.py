"""Makes NetBox's tables in an empty database. Runs in NetBox's environment.

PostgreSQL's wheel is built without ICU, and one migration of NetBox makes a collation with it: that one operation is
replaced by PostgreSQL's own collation, which sorts by bytes. NetBox's code and every other migration stay as they are.
"""

import importlib

import django

django.setup()

from django.contrib.postgres.operations import CreateCollation  # noqa: E402 (Django must be set up first)
from django.core.management import call_command  # noqa: E402

migration = importlib.import_module("dcim.migrations.0197_natural_sort_collation").Migration
(original,) = migration.operations
if not isinstance(original, CreateCollation) or original.name != "natural_sort":
    raise SystemExit(f"expected dcim.0197 to make the collation natural_sort, found {original!r}")
migration.operations = [CreateCollation("natural_sort", provider="builtin", locale="C.UTF-8")]
call_command("migrate", interactive=False, verbosity=1)
