"""``python -m portal.standin``: run the stand-in for Stripe."""

import sys

from portal.standin.server import serve
from portal.standin.settings import read_settings

if __name__ == "__main__":
    serve(read_settings(sys.argv[1:]))
