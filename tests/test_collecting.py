import gc

import pytest

from portal.collecting import collect_seldom

pytestmark = pytest.mark.measured


def test_what_a_start_made_is_left_alone_and_the_rest_is_looked_through_seldom():
    before = gc.get_threshold()
    gc.disable()
    # As Python begins, whatever this process has been told before.
    gc.set_threshold(700, 10, 10)
    try:
        collect_seldom()
        assert gc.isenabled()
        assert gc.get_threshold()[0] > 700
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
        gc.enable()
