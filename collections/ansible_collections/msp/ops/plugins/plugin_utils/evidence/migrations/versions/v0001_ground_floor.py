# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Revision 0001: the tables of the ground floor, the views for what is current, and the append-only triggers.

Never changed after a release, and never imports the present schema: it says what revision 0001 was.
"""

from __future__ import annotations

try:
    import sqlalchemy as sa
    from alembic import op
except ImportError:  # looked at by a tool without the libraries; only `./msp store upgrade` runs it
    pass

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = ("facts", "chunks", "facts_chunks", "audits", "run_hosts", "sheets", "sheets_applied", "effort")

CURRENT_SIGHTINGS = """
CREATE VIEW current_sightings AS
SELECT t.id AS thing_id, t.customer, t.source, t.thing, s.asset, t.first_seen, t.last_seen, t.seen,
       s.identity, s.attributes, s.place
FROM things t JOIN sightings s ON s.thing_id = t.id AND s.version = t.version
"""

LAST_GOOD_AUDITS = """
CREATE VIEW last_good_audits AS
SELECT a.* FROM audits a
WHERE a.id = (SELECT b.id FROM audits b WHERE b.customer = a.customer AND b.asset = a.asset AND b.outcome = 'ok'
              ORDER BY b.at DESC, b.id DESC LIMIT 1)
"""

LAST_ATTEMPTS = """
CREATE VIEW last_attempts AS
SELECT a.* FROM audits a
WHERE a.id = (SELECT b.id FROM audits b WHERE b.customer = a.customer AND b.asset = a.asset
              ORDER BY b.at DESC, b.id DESC LIMIT 1)
"""


def upgrade() -> None:
    _facts()
    _sightings()
    _audits()
    _agreed()
    for view in (CURRENT_SIGHTINGS, LAST_GOOD_AUDITS, LAST_ATTEMPTS):
        op.execute(view)
    _append_only()


def _number() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _facts() -> None:
    op.create_table(
        "facts",
        sa.Column("id", _number(), primary_key=True),
        sa.Column("hash", sa.Text(), nullable=False, unique=True),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "chunks",
        sa.Column("id", _number(), primary_key=True),
        sa.Column("hash", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "facts_chunks",
        sa.Column("facts_id", _number(), sa.ForeignKey("facts.id"), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        sa.Column("chunk_id", _number(), sa.ForeignKey("chunks.id"), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_facts_chunks_chunk_id", "facts_chunks", ["chunk_id"])


def _sightings() -> None:
    op.create_table(
        "things",
        sa.Column("id", _number(), primary_key=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("thing", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text()),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("customer", "source", "thing"),
    )
    op.create_index("ix_things_customer_last_seen", "things", ["customer", "last_seen"])
    op.create_index("ix_things_asset", "things", ["asset"])
    op.create_table(
        "sightings",
        sa.Column("thing_id", _number(), sa.ForeignKey("things.id"), primary_key=True),
        sa.Column("version", sa.BigInteger(), primary_key=True),
        sa.Column("asset", sa.Text()),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tokens",
        sa.Column("token", sa.Text(), primary_key=True),
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("thing_id", _number(), sa.ForeignKey("things.id"), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_tokens_thing_id", "tokens", ["thing_id"])


def _audits() -> None:
    op.create_table(
        "audits",
        sa.Column("id", _number(), primary_key=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("facts_id", _number(), sa.ForeignKey("facts.id")),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("volatile", sa.Text(), nullable=False),
        sa.Column("changed", sa.Text(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("seconds", sa.Float()),
        sa.Column("run", sa.Text()),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("customer", "asset", "at", "outcome"),
    )
    op.create_index("ix_audits_facts_id", "audits", ["facts_id"])
    op.create_index("ix_audits_host", "audits", ["host"])
    op.create_table(
        "runs",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("playbook", sa.Text(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger()),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("controller", sa.Text(), nullable=False),
        sa.Column("check_mode", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.Text()),
        sa.Column("out_of_scope_ticket", sa.Text()),
        sa.Column("extra", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_runs_started", "runs", ["started"])
    op.create_table(
        "run_hosts",
        sa.Column("run", sa.Text(), sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("host", sa.Text(), primary_key=True),
        sa.Column("customer", sa.Text()),
        sa.Column("asset", sa.Text()),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("ok", "changed", "failed", "unreachable", "skipped", "rescued", "ignored")
        ),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("in_scope", sa.Boolean()),
    )
    op.create_index("ix_run_hosts_customer", "run_hosts", ["customer"])


def _agreed() -> None:
    op.create_table(
        "sheets",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("written", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_sheets_customer", "sheets", ["customer"])
    op.create_table(
        "sheets_applied",
        sa.Column("sheet", sa.Text(), sa.ForeignKey("sheets.id"), primary_key=True),
        sa.Column("applied", sa.BigInteger(), nullable=False),
        sa.Column("signed_by", sa.Text(), nullable=False),
        sa.Column("signed_on", sa.Text(), nullable=False),
        sa.Column("decisions", sa.Text(), nullable=False),
    )
    op.create_table(
        "tickets",
        sa.Column("source", sa.Text(), primary_key=True),
        sa.Column("ref", sa.Text(), primary_key=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("opened", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.BigInteger()),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text()),
        sa.Column("extra", sa.Text(), nullable=False),
    )
    op.create_index("ix_tickets_customer_opened", "tickets", ["customer", "opened"])
    op.create_table(
        "effort",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("minutes", sa.Float(), nullable=False),
        sa.Column("planned", sa.Boolean(), nullable=False),
        sa.Column("in_contract", sa.Boolean(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("who", sa.Text()),
        sa.Column("run", sa.Text()),
        sa.Column("ticket", sa.Text()),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_effort_customer_at", "effort", ["customer", "at"])
    op.create_table(
        "retention",
        sa.Column("customer", sa.Text(), primary_key=True),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
    )


def _append_only() -> None:
    """An event that was written is never changed, whoever tries. Retention may delete it."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION msp_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
        )
    for table in APPEND_ONLY:
        if op.get_bind().dialect.name == "postgresql":
            op.execute(
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION msp_append_only()"
            )
        else:
            op.execute(
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
