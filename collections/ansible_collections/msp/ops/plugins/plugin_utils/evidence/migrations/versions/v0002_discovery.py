# Copyright: The msp.ops founders
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Revision 0002: discovery. What a source covered, what changed, plans with their approval and steps, decisions,
digests; after which look each thing was told of last, and when each asset was seen; and the leases under which one
controller at a time writes.

Never changed after a release, and never imports the present schema: it says what revision 0002 was.
"""

from __future__ import annotations

try:
    import sqlalchemy as sa
    from alembic import op
except ImportError:  # looked at by a tool without the libraries; only `./msp store upgrade` runs it
    pass

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APPEND_ONLY = ("coverages", "changes", "plans", "plan_approvals", "plan_steps", "decisions", "digests")


CURRENT_SIGHTINGS = """
CREATE VIEW current_sightings AS
SELECT t.id AS thing_id, t.customer, t.source, t.thing, s.asset, t.first_seen, t.last_seen, t.seen, t.after_look,
       s.identity, s.attributes, s.place
FROM things t JOIN sightings s ON s.thing_id = t.id AND s.version = t.version
"""


def upgrade() -> None:
    _seen()
    _told()
    _planned()
    _append_only()


def _number() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _seen() -> None:
    op.create_table(
        "coverages",
        sa.Column("id", _number(), primary_key=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("customer", "source", "at"),
    )
    op.create_table(
        "changes",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("thing", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text()),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text()),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_changes_customer_recorded_at", "changes", ["customer", "recorded_at"])
    op.create_table(
        "digests",
        sa.Column("customer", sa.Text(), primary_key=True),
        sa.Column("until", sa.BigInteger(), primary_key=True),
        sa.Column("since", sa.BigInteger()),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )

    op.create_table(
        "seen",
        sa.Column("customer", sa.Text(), primary_key=True),
        sa.Column("asset", sa.Text(), primary_key=True),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.Column("sources", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
    )


def _told() -> None:
    """The last look that was recorded before a thing was told of: an order that no clock can turn round."""
    op.add_column("things", sa.Column("after_look", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("DROP VIEW current_sightings")
    op.execute(CURRENT_SIGHTINGS)


def _planned() -> None:
    op.create_table(
        "plans",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("made", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_plans_customer_made", "plans", ["customer", "made"])
    op.create_table(
        "plan_approvals",
        sa.Column("plan", sa.Text(), sa.ForeignKey("plans.id"), primary_key=True),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "plan_steps",
        sa.Column("plan", sa.Text(), sa.ForeignKey("plans.id"), primary_key=True),
        sa.Column("step", sa.Text(), primary_key=True),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "decisions",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_decisions_customer_asset", "decisions", ["customer", "asset"])
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
    )


def _append_only() -> None:
    """An event that was written is never changed, whoever tries. Retention may delete it."""
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
