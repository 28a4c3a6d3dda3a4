"""What the database refuses whoever asks: changed facts, unbalanced sums, postings into closed periods, lost custody.

Functions that read rows are SECURITY DEFINER with a fixed search path: under row security they would re-sum only the
rows the writer may see, and refuse good writes or accept bad ones. Sums are re-made per statement over the whole of
each touched document, so that legs added later are caught as well.
"""

from alembic import op

revision = "0011"
down_revision = "0010"

FACTS = (
    "technical_history",
    "mailed_link",
    "mailed_link_use",
    "mailed_link_void",
    "invitation",
    "audit_entry",
    "document",
    "document_version",
    "document_signature",
    "document_in_force",
    "plan_choice",
    "case_event",
    "custody_offer",
    "custody_decline",
    "custody_acceptance",
    "case_clock",
    "clock_closing",
    "case_pause",
    "pause_end",
    "note",
    "attachment",
    "case_reference",
    "resolution",
    "resolution_answer",
    "challenge",
    "challenge_step",
    "challenge_proposal",
    "challenge_decision",
    "case_closing",
    "case_link",
    "case_known_issue",
    "coverage_decision",
    "usage_grant",
    "grant_reservation",
    "reservation_release",
    "grant_draw",
    "standing_authorization",
    "authorization_request",
    "authorization",
    "authorization_refusal",
    "emergency",
    "emergency_refusal",
    "time_entry",
    "time_approval",
    "time_reversal",
    "billing_cut",
    "bill_item",
    "bill_item_reversal",
    "bill_line",
    "bill_segment",
    "share",
    "invoice",
    "invoice_item",
    "cash_application",
    "line_query",
    "line_query_answer",
    "account",
    "journal_transaction",
    "posting",
    "chain_block",
    "provider_customer",
    "intent_attempt",
    "provider_event",
    "provider_event_outcome",
    "balance_movement",
    "payment_record",
    "cash_receipt",
    "statement",
    "statement_line",
    "statement_acceptance",
    "contest",
    "contest_decision",
    "statement_preparation",
    "statement_approval",
    "disposition",
    "close_manifest",
)

_REFUSE_CHANGE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are facts: correct by adding', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$
"""

_DEFINER = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp"

_POSTINGS_BALANCE = f"""
CREATE FUNCTION postings_balance() RETURNS trigger {_DEFINER} AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT leg.transaction_id INTO wrong
    FROM posting leg
    WHERE leg.transaction_id IN (SELECT transaction_id FROM added)
    GROUP BY leg.transaction_id, leg.currency
    HAVING sum(leg.amount_minor) <> 0
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'journal transaction % does not sum to zero', wrong USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$
"""

# The share lock makes a poster wait for a closer and re-read: a plain check or a foreign key alone would let a posting
# slip into a period that closes at the same moment.
_PERIOD_TAKES_POSTINGS = f"""
CREATE FUNCTION period_takes_postings() RETURNS trigger {_DEFINER} AS $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT id, label, state FROM period
        WHERE id IN (SELECT period_id FROM added) ORDER BY id FOR SHARE
    LOOP
        IF one.state <> 'open' THEN
            RAISE EXCEPTION 'period % takes no more postings', one.label USING ERRCODE = 'check_violation';
        END IF;
    END LOOP;
    RETURN NULL;
END
$$
"""

_PERIOD_MOVES_ON = """
CREATE FUNCTION period_moves_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.state, NEW.state) NOT IN
        (('open', 'closing'), ('closing', 'soft_closed'), ('soft_closed', 'hard_closed'))
        OR (OLD.id, OLD.manufacturer_id, OLD.label, OLD.zone, OLD.starts_at, OLD.ends_at)
           IS DISTINCT FROM (NEW.id, NEW.manufacturer_id, NEW.label, NEW.zone, NEW.starts_at, NEW.ends_at)
    THEN
        RAISE EXCEPTION 'period % cannot go from % to %', OLD.label, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$
"""

# A share is reversed by rows that point at it; together they never take more than it gave. The rows of an item that
# stands sum to it; a reversed item's rows sum to zero.
_SHARES_SUM = f"""
CREATE FUNCTION shares_sum() RETURNS trigger {_DEFINER} AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT item.id INTO wrong
    FROM bill_item item
    JOIN share part ON part.bill_item_id = item.id
    LEFT JOIN bill_item_reversal gone ON gone.bill_item_id = item.id
    WHERE item.id IN (SELECT bill_item_id FROM added)
    GROUP BY item.id, item.amount_minor, gone.id
    HAVING sum(part.amount_minor) <> CASE WHEN gone.id IS NULL THEN item.amount_minor ELSE 0 END
        OR bool_or(part.currency <> item.currency)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'shares of bill item % do not sum to it', wrong USING ERRCODE = 'check_violation';
    END IF;
    SELECT given.id INTO wrong
    FROM share given
    JOIN share taken ON taken.reverses_id = given.id
    WHERE given.id IN (SELECT reverses_id FROM added WHERE reverses_id IS NOT NULL)
    GROUP BY given.id, given.amount_minor, given.bill_item_id, given.party_id
    HAVING sum(taken.amount_minor) NOT BETWEEN least(-given.amount_minor, 0) AND greatest(-given.amount_minor, 0)
        OR bool_or(taken.bill_item_id <> given.bill_item_id)
        OR bool_or(taken.party_id IS DISTINCT FROM given.party_id)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'share % would be reversed beyond what it gave', wrong USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$
"""

_LINES_SUM = f"""
CREATE FUNCTION bill_lines_sum() RETURNS trigger {_DEFINER} AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT item.id INTO wrong
    FROM bill_item item
    JOIN bill_line line ON line.bill_item_id = item.id
    WHERE item.id IN (SELECT bill_item_id FROM added)
    GROUP BY item.id, item.amount_minor
    HAVING coalesce(sum(line.amount_minor) FILTER (WHERE line.bearer = 'payer'), 0) <> item.amount_minor
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'lines of bill item % do not sum to it', wrong USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$
"""

_NEXT_REVISION = f"""
CREATE FUNCTION revision_follows_reversal() RETURNS trigger {_DEFINER} AS $$
BEGIN
    IF NEW.replaces_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM bill_item_reversal gone
        JOIN bill_item old ON old.id = gone.bill_item_id
        WHERE gone.bill_item_id = NEW.replaces_id AND old.cut_id = NEW.cut_id AND old.revision = NEW.revision - 1
    ) THEN
        RAISE EXCEPTION 'revision % of cut % replaces no reversed item', NEW.revision, NEW.cut_id
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$
"""

_DISPOSITIONS_SUM = f"""
CREATE FUNCTION dispositions_sum() RETURNS trigger {_DEFINER} AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT approval.id INTO wrong
    FROM statement_approval approval
    JOIN disposition part ON part.approval_id = approval.id
    WHERE approval.id IN (SELECT approval_id FROM added)
    GROUP BY approval.id, approval.amount_minor, approval.currency
    HAVING sum(part.amount_minor) <> approval.amount_minor OR bool_or(part.currency <> approval.currency)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'dispositions of approval % do not sum to it', wrong USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$
"""

_CUSTODY_ORDER = f"""
CREATE FUNCTION custody_in_order() RETURNS trigger {_DEFINER} AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT one.case_id INTO wrong
    FROM (
        SELECT held.case_id, held.from_at,
               lag(held.from_at) OVER (PARTITION BY held.case_id ORDER BY held.seq) AS before_at
        FROM custody_acceptance held
        WHERE held.case_id IN (SELECT case_id FROM added)
    ) one
    WHERE one.before_at >= one.from_at
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'custody of case % runs backwards', wrong USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$
"""

_CASE_MOVES_WITH_EVENT = f"""
CREATE FUNCTION case_moves_with_event() RETURNS trigger {_DEFINER} AS $$
BEGIN
    IF (OLD.state, OLD.holder_id, OLD.severity, OLD.task_class) IS DISTINCT FROM
       (NEW.state, NEW.holder_id, NEW.severity, NEW.task_class)
       AND NOT (NEW.seq > OLD.seq AND EXISTS (
            SELECT FROM case_event happened WHERE happened.case_id = NEW.id AND happened.seq = NEW.seq))
    THEN
        RAISE EXCEPTION 'case % changed without an event', NEW.id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END
$$
"""

_IN_FORCE_WHEN_SIGNED = f"""
CREATE FUNCTION in_force_when_signed() RETURNS trigger {_DEFINER} AS $$
DECLARE
    version record;
BEGIN
    SELECT * INTO version FROM document_version WHERE id = NEW.version_id;
    IF (version.document_id, version.effective_from) IS DISTINCT FROM (NEW.document_id, NEW.effective_from) OR EXISTS (
        SELECT FROM unnest(ARRAY[version.manufacturer_id, version.integrator_id]) AS needed(id)
        WHERE needed.id IS NOT NULL AND NOT EXISTS (
            SELECT FROM document_signature yes
            WHERE yes.version_id = version.id AND yes.organisation_id = needed.id AND yes.sha256 = version.sha256)
    ) THEN
        RAISE EXCEPTION 'version % is not signed by everybody', NEW.version_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$
"""

_FUNCTIONS = (
    _REFUSE_CHANGE,
    _POSTINGS_BALANCE,
    _PERIOD_TAKES_POSTINGS,
    _PERIOD_MOVES_ON,
    _SHARES_SUM,
    _LINES_SUM,
    _NEXT_REVISION,
    _DISPOSITIONS_SUM,
    _CUSTODY_ORDER,
    _CASE_MOVES_WITH_EVENT,
    _IN_FORCE_WHEN_SIGNED,
)

# One statement trigger each, over the rows that the statement added.
_AFTER_INSERT = (
    ("posting", "postings_balance"),
    ("journal_transaction", "period_takes_postings"),
    ("posting", "period_takes_postings"),
    ("share", "shares_sum"),
    ("bill_line", "bill_lines_sum"),
    ("disposition", "dispositions_sum"),
    ("custody_acceptance", "custody_in_order"),
)

_ROW_TRIGGERS = (
    "CREATE TRIGGER period_moves_on BEFORE UPDATE ON period FOR EACH ROW EXECUTE FUNCTION period_moves_on()",
    "CREATE TRIGGER revision_follows_reversal BEFORE INSERT ON bill_item"
    " FOR EACH ROW EXECUTE FUNCTION revision_follows_reversal()",
    "CREATE TRIGGER in_force_when_signed BEFORE INSERT ON document_in_force"
    " FOR EACH ROW EXECUTE FUNCTION in_force_when_signed()",
    "CREATE CONSTRAINT TRIGGER case_moves_with_event AFTER UPDATE ON support_case"
    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION case_moves_with_event()",
)


def upgrade() -> None:
    for function in _FUNCTIONS:
        op.execute(function)
    for table in FACTS:
        op.execute(
            f'CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON "{table}"'
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
    for table, function in _AFTER_INSERT:
        op.execute(
            f'CREATE TRIGGER {function} AFTER INSERT ON "{table}" REFERENCING NEW TABLE AS added'
            f" FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        )
    for statement in _ROW_TRIGGERS:
        op.execute(statement)


def downgrade() -> None:
    raise RuntimeError("facts are kept: restore a backup instead")
