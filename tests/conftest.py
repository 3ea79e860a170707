import os

import pytest
from hypothesis import HealthCheck, settings

pytest.register_assert_rewrite("properties")

# As the commands have it. Several threads wait for each other most of the time with arrays as small
# as these, the more so beside other processes. NumPy has not been imported yet.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# The same examples on every machine and every run: a red suite is red for everybody. No example
# is timed, so that a busy machine cannot fail a right formula.
settings.register_profile(
    "npppo",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("npppo")


@pytest.fixture(scope="session")
def api():
    """The implementation under test; test_mutants.py puts broken ones in its place."""
    import npppo

    return npppo
