"""Pages of signed documents: which hold, what they say and change; writing, proposing and signing them.

Promises: what is signed is what was shown, by its hash; a text that is still wrong is kept, with every problem named by
its line; what a text would cost is rated by the engine that rates bills.

``documents`` shows and signs; ``drafting`` is the editor, its check while somebody types and its three typical bills;
``library`` shows ready documents to begin from; ``what_if`` tries a text over a past period.
"""

from portal.web.contracts import documents, drafting, library, what_if
from portal.web.contracts.blueprint import blueprint

__all__ = ["blueprint", "documents", "drafting", "library", "what_if"]
