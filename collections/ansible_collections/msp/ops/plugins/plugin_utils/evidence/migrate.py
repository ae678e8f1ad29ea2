# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Does the store's schema fit this code, and bringing it up to date with Alembic.

Only `./msp store upgrade`, the demo and tests upgrade; everything else checks, and names a schema that does not fit.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.msp.ops.plugins.module_utils.errors import MspError
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.engine import POSTGRESQL, UPGRADE, Database, missing
from ansible_collections.msp.ops.plugins.plugin_utils.evidence.schema import REVISIONS

with suppress(ImportError):  # engine.py says what is missing
    import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

SCRIPTS = Path(__file__).parent / "migrations"
VERSION_TABLE = "msp_schema"
UPGRADE_LOCK = 0x6D73702E6F7073  # "msp.ops": the advisory lock of an upgrade in PostgreSQL


def revision(database: Database) -> str | None:
    """The revision of the store's schema. None: it was never set up."""
    try:
        with database.read() as connection:
            return connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
    except MspError as error:
        if error.code == "MSP-EVD-002":
            return None
        raise


def check(database: Database) -> None:
    """Raise MSP-EVD-002 unless the schema is the one this code works with."""
    found = revision(database)
    if found is None:
        raise missing(database.name)
    if found not in REVISIONS:
        raise MspError(
            "MSP-EVD-002",
            f"schema {REVISIONS[-1]} in {database.name}",
            f"schema {found}, which is newer than this version of msp.ops",
            "run the version of msp.ops that upgraded the store, or a newer one",
        )
    if found != REVISIONS[-1]:
        raise MspError(
            "MSP-EVD-002", f"schema {REVISIONS[-1]} in {database.name}", f"the older schema {found}", UPGRADE
        )


def upgrade(database: Database) -> tuple[str | None, str]:
    """Bring the schema up to date and return the revisions before and after. A newer one is refused.

    Two processes that upgrade at once wait for each other; the second finds nothing to do.
    """
    database.create_file()
    before = revision(database)
    if before is None or before in REVISIONS[:-1]:
        database.write(_run_migrations)
    check(database)
    return before, REVISIONS[-1]


def _run_migrations(connection: Connection) -> None:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    if connection.dialect.name == POSTGRESQL:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(UPGRADE_LOCK)))
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)

    def steps(current: Any, _context: Any) -> Any:
        return scripts._upgrade_revs(REVISIONS[-1], current)  # as in Alembic's documentation of EnvironmentContext

    with EnvironmentContext(config, scripts, fn=steps, destination_rev=REVISIONS[-1]) as environment:
        environment.configure(connection=connection, version_table=VERSION_TABLE, transactional_ddl=False)
        environment.run_migrations()
