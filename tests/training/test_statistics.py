"""Point estimates and intervals, by their definitions, by enumeration, and beside rliable's."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from npppo.training import statistics
from npppo.training.statistics import bootstrap_interval, iqm, mean, median, std

TOLERANCE = 1e-12  # relative: sums of some hundred numbers in another order differ by less


def rng():
    return np.random.default_rng(0)


def without_quarters(numbers):
    """The interquartile mean as one would explain it, in exact arithmetic."""
    left = sorted(map(Fraction, numbers))
    for _ in range(int(0.25 * len(numbers))):
        left.remove(max(left))
        left.remove(min(left))
    return float(sum(left) / len(left))


@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (7, 3), (20, 1), (3, 8)])
def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end(shape):
    drawn = rng()
    for _ in range(20):
        scores = drawn.standard_cauchy(shape)  # whose mean an outlier decides
        assert iqm(scores) == pytest.approx(without_quarters(scores.ravel()), rel=TOLERANCE)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([8, 1, 7, 2, 6, 3, 5, 4], (3 + 4 + 5 + 6) / 4),
        ([0, 10, 20, 30, 1000], 20),
        ([-100, 1, 2, 3, 4, 100], (1 + 2 + 3 + 4) / 4),  # ⌊1.5⌋ at each end, as SciPy has it
        ([0, 5, 1000], 335),
    ],
)
def test_interquartile_means_by_hand(scores, expected):
    assert iqm(np.array(scores, float)[:, None]) == expected


def test_mean_median_and_standard_deviation_by_hand():
    scores = np.array([[1.0, 10.0], [2.0, 30.0], [6.0, 20.0]])  # (N, M)
    assert mean(scores) == (3 + 20) / 2
    assert median(scores) == (6 + 10) / 2  # of all six
    variances = [(4 + 1 + 9) / 2, (100 + 100 + 0) / 2]  # with N - 1
    assert std(scores) == pytest.approx(np.mean(np.sqrt(variances)), rel=TOLERANCE)
    assert np.isnan(std(scores[:1]))


@pytest.mark.parametrize("statistic", [mean, std, median, iqm])
def test_what_stands_before_is_treated_side_by_side(statistic):
    scores = rng().normal(size=(4, 3, 7, 2))
    together = statistic(scores)
    assert together.shape == (4, 3)
    for place in np.ndindex(4, 3):
        assert together[place] == pytest.approx(statistic(scores[place]), rel=TOLERANCE)


def quantile_of(atoms, share):
    """The value below or at which a share of equally likely ones lies."""
    return sorted(atoms)[int(share * len(atoms))]


@pytest.mark.parametrize("statistic", [mean, iqm, median])
@pytest.mark.parametrize("shape", [(3, 1), (2, 2), (3, 2)])
def test_the_interval_is_that_of_all_resamples(statistic, shape):
    """Each task's N runs are drawn from its own, in N^(NM) equally likely ways.

    With 50,000 resamples 0.5 % are more than three standard errors of a share of 10 %.
    """
    runs, tasks = shape
    scores = np.array([[0.0, 5.0], [1.0, 100.0], [10.0, 7.5]])[:runs, :tasks]
    atoms = []
    for drawn in itertools.product(itertools.product(range(runs), repeat=runs), repeat=tasks):
        resample = np.array([[scores[drawn[m][n], m] for m in range(tasks)] for n in range(runs)])
        atoms.append(round(float(statistic(resample)), 9))
    ends = bootstrap_interval(scores, statistic, rng(), confidence=0.8)
    for share, end in zip((0.1, 0.9), ends, strict=True):
        between = [quantile_of(atoms, share + error) for error in (-0.005, 0.005)]
        assert between[0] - 1e-8 <= end <= between[1] + 1e-8


def test_every_task_is_in_every_resample():
    """Without strata a mean of 0s of one task and 1s of the other would vary."""
    scores = np.array([[0.0, 1.0]] * 4)
    assert (bootstrap_interval(scores, mean, rng(), 1000) == 0.5).all()


def test_the_tasks_runs_are_drawn_each_for_itself():
    """Drawn together the runs of these tasks would have the sum 1 in every resample."""
    scores = np.array([[0.0, 1.0], [1.0, 0.0]])
    low, high = bootstrap_interval(scores, mean, rng(), 1000)
    assert (low, high) == (0, 1)


def test_points_of_a_curve_have_the_same_resamples():
    scores = rng().normal(size=(5, 9, 1))
    low, high = bootstrap_interval(scores, iqm, rng(), 500)
    for t in range(5):
        assert [low[t], high[t]] == pytest.approx(bootstrap_interval(scores[t], iqm, rng(), 500))


def test_in_small_portions_it_is_the_same(monkeypatch):
    scores = rng().normal(size=(6, 2))
    whole = bootstrap_interval(scores, iqm, rng(), 1001)
    monkeypatch.setattr(statistics, "AT_A_TIME", 100)
    assert (bootstrap_interval(scores, iqm, rng(), 1001) == whole).all()


def test_a_single_run_has_a_point():
    assert (bootstrap_interval(np.array([[3.0]]), mean, rng(), 10) == 3).all()


def test_what_is_wrong_is_named():
    with pytest.raises(ValueError, match=r"confidence is 95, expected .* between 0 and 1"):
        bootstrap_interval(np.ones((2, 1)), mean, rng(), confidence=95)
    with pytest.raises(ValueError, match=r"shape \(0, 1\), expected at least one run"):
        bootstrap_interval(np.ones((0, 1)), mean, rng())


class AsRliableDraws:
    """In the place of a generator."""

    def integers(self, runs, size):
        return np.random.choice(runs, size, replace=True)  # noqa: NPY002


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (20, 1), (7, 5), (10, 26)])
def test_it_is_what_rliable_computes(shape):
    library = pytest.importorskip("rliable.library", reason="a library to compare with")
    from rliable import metrics

    scores = 100 * rng().normal(size=shape)
    for ours, theirs in ((iqm, metrics.aggregate_iqm), (mean, metrics.aggregate_mean)):
        np.random.seed(3)  # noqa: NPY002
        points, intervals = library.get_interval_estimates(
            {"": scores}, lambda scores, of=theirs: np.array([of(scores)]), reps=1000
        )
        np.random.seed(3)  # noqa: NPY002
        interval = bootstrap_interval(scores, ours, AsRliableDraws(), 1000)
        np.testing.assert_allclose(ours(scores), points[""][0], rtol=TOLERANCE)
        np.testing.assert_allclose(interval, intervals[""][:, 0], rtol=TOLERANCE)
    # its median is that of the tasks' means: here each score is a task of its own
    theirs = metrics.aggregate_median(scores.reshape(1, -1))
    np.testing.assert_allclose(median(scores), theirs, rtol=TOLERANCE)
