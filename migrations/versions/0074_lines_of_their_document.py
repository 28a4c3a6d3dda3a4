"""A statement's line is of the statement's party, an invoice's of the invoice's payer: one key says so.

Three keys of each line said only that its document and both companies exist; a line of another company's statement
would have passed. One look a line instead of three is also what a month of a million lines feels.
"""

from alembic import op

revision = "0074"
down_revision = "0073"

# The lines, whose they are of, and the company named on both beside the manufacturer.
_LINES = (("statement_line", "statement", "party_id"), ("invoice_item", "invoice", "payer_id"))


def upgrade() -> None:
    for lines, document, company in _LINES:
        its_key, key = f"{document}_id", ["id", "manufacturer_id", company]
        op.create_unique_constraint(op.f(f"uq_{document}_{'_'.join(key)}"), document, key)
        for column in (its_key, "manufacturer_id", company):
            op.drop_constraint(op.f(f"fk_{lines}_{column}"), lines)
        columns = [its_key, *key[1:]]
        op.create_foreign_key(op.f(f"fk_{lines}_{'_'.join(columns)}"), lines, document, columns, key)


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
