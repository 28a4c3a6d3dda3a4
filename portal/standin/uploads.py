"""Files sent to Stripe, such as evidence. Only what names a file is kept: its hash, size, purpose and first bytes.

The first bytes say what kind of file it is. Source: docs.stripe.com/api/files (2026-11).
"""

from portal.standin import objects
from portal.standin.endpoints import Call, Endpoint
from portal.standin.objects import PAGING, Body
from portal.standin.parameters import group, integer, text
from portal.standin.refusals import bad_parameter

KIND = "file"
EVIDENCE = "dispute_evidence"
EVIDENCE_TYPES = {b"%PDF-": "pdf", b"\xff\xd8\xff": "jpg", b"\x89PNG": "png"}
LARGEST_EVIDENCE_BYTES = 5_000_000


def create_file(call: Call) -> Body:
    given, sent = call.parameters, call.parameters["file"]
    head = bytes.fromhex(sent["head"])
    kind = next((name for mark, name in EVIDENCE_TYPES.items() if head.startswith(mark)), None)
    if given["purpose"] == EVIDENCE and kind is None:
        raise bad_parameter("Evidence must be a PDF, JPEG or PNG file.", "file", code="invalid_file_type")
    if given["purpose"] == EVIDENCE and sent["size"] > LARGEST_EVIDENCE_BYTES:
        raise bad_parameter("The file is too large to be evidence.", "file", code="file_too_large")
    body: Body = {
        "id": objects.new_id("file"),
        "object": KIND,
        "created": call.state.now(),
        "expires_at": None,
        "filename": sent["filename"],
        "links": objects.list_object([], "/v1/file_links"),
        "purpose": given["purpose"],
        "size": sent["size"],
        "title": None,
        "type": kind,
        "url": None,
        "_sha256": sent["sha256"],
    }
    return objects.insert(call.state, body)


def retrieve_file(call: Call, file_id: str) -> Body:
    return objects.fetch(call.state, KIND, file_id)


def list_files(call: Call) -> Body:
    equal = {"purpose": call.parameters.get("purpose")}
    return objects.page(call.state, KIND, call.parameters, url="/v1/files", equal=equal)


# What ``http`` makes of the one file of a form.
SENT = group(
    {
        "filename": text(required=True),
        "head": text(required=True),
        "sha256": text(required=True),
        "size": integer(1, required=True),
    },
    required=True,
)
ENDPOINTS = (
    Endpoint("POST", "/v1/files", create_file, {"file": SENT, "purpose": text(required=True)}),
    Endpoint("GET", "/v1/files", list_files, {**PAGING, "purpose": text()}),
    Endpoint("GET", "/v1/files/<id>", retrieve_file),
)
