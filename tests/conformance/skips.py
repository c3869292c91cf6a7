"""Which cases of the broker suite are skipped for an adapter, and why: no other may be."""

from collections.abc import Callable, Mapping
from typing import Final
from unittest import SkipTest

import pytest

TRADES_ALONE: Final = {
    "test_operations": "no operations beside trades",
    "test_an_operation_is_done_once": "no operations beside trades",
    "test_an_operation_whose_answer_is_lost": "no operations beside trades",
    "test_a_new_process_after_a_lost_operation": "no operations beside trades",
    "test_operations_that_are_refused": "no operation that it refuses",
    "test_an_operation_that_is_done_again": "no reorganisations",
}
NOT_OF_A_CHAIN: Final = {"test_a_reorganisation": "no reorganisations"}
NO_LEVELS: Final = {
    "test_what_the_venue_closes_at_a_stop_loss": "no levels",
    "test_what_the_venue_closes_at_a_take_profit": "no levels",
    "test_what_the_venue_closes_while_nobody_listens": "no levels",
}
NO_LOGIN: Final = {"test_a_login_that_is_refused": "refuse_login"}
NO_REPLACES: Final = {
    "test_a_replace": "declares no replace",
    "test_a_fill_that_meets_a_replace": "declares no replace",
}
TOLD_FOR_GOOD: Final = {
    "test_an_execution_that_is_taken_back": "no busts",
    "test_an_execution_that_is_corrected": "no corrections",
}
OF_A_TERMINAL: Final = {
    "test_a_late_fill_after_a_cancel": "cannot inject hold_reports",
    "test_reports_that_are_repeated_or_out_of_order": "neither repeat nor reorder",
    "test_too_many_requests": "cannot inject rate_limit",
    "test_a_clock_that_is_wrong": "cannot inject clock_skew",
}


def run_or_skip(case: str, run: Callable[[], None], skips: Mapping[str, str]) -> None:
    """Runs a case, which must be skipped where it is named, for that reason, and nowhere else."""
    if case in skips:
        with pytest.raises(SkipTest, match=skips[case]):
            run()
        return
    try:
        run()
    except SkipTest as why:
        pytest.fail(f"{case} was skipped: {why}")
