"""Figures of many runs: which belong together, where their curves meet, and what is drawn."""

import itertools
import json
import re

import numpy as np
import pytest
from test_cli import call

from npppo.training import curves, run
from npppo.training.curves import curve, groups, runs_in, shortened

CONFIG = {"env": "CartPole-v1", "total_timesteps": 100, "stop_at": None, "gamma": 0.9, "n_envs": 2}


@pytest.fixture
def make(tmp_path):
    """A run's folder with these rows of (steps, return), and this in its config."""

    def make(name, rows=((10, 1.0), (20, 2.0)), **config):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / run.CONFIG).write_text(json.dumps({**CONFIG, "seed": 0, **config}))
        lines = ["update,timesteps,return,entropy"]
        lines += [f"{n},{steps},{value},0.5" for n, (steps, value) in enumerate(rows, start=1)]
        (folder / run.PROGRESS).write_text("".join(line + "\r\n" for line in lines))
        return folder

    return make


# Groups


def labels(*folders):
    return [(group.label, len(group.runs)) for group in groups(folders)]


def test_runs_that_differ_in_the_seed_alone_are_one_group(make):
    assert labels(make("a"), make("b", seed=1), make("c", seed=7)) == [("", 3)]


def test_a_label_says_only_what_differs(make):
    first, second = make("a", gamma=0.9), make("b", gamma=0.99)
    assert labels(first, second, make("c", gamma=0.99, seed=1)) == [
        ("gamma=0.9", 1),
        ("gamma=0.99", 2),
    ]
    assert labels(first, make("d", env="Acrobot-v1")) == [("CartPole-v1", 1), ("Acrobot-v1", 1)]


def test_an_algorithm_stands_for_all_that_it_has_otherwise(make):
    """PPO is not named in a config, and A2C's hyperparameters are others."""
    a2c = {"algorithm": "A2C", "gamma": 0.5, "max_kl": 3}
    assert labels(make("a"), make("b", **a2c)) == [("PPO", 1), ("A2C", 1)]
    assert labels(*(make(f"c{n}", n_envs=n) for n in (2, 4)), make("d", **a2c)) == [
        *[("PPO, n_envs=2", 1), ("PPO, n_envs=4", 1), ("A2C", 1)]
    ]


def test_a_run_counts_once(make, tmp_path):
    folders = [make("sweep/gamma=0.9/seed=0"), make("sweep/gamma=0.9/seed=1", seed=1)]
    assert runs_in([tmp_path / "sweep", folders[1], folders[0] / ".." / "seed=0"]) == folders
    assert runs_in([tmp_path / "sweep" / "gamma=0.9"]) == folders
    with pytest.raises(
        ValueError, match=r"seed=0 and .*copy have the same settings and the seed 0"
    ):
        groups([*folders, make("copy")])


# The same steps


def interpolated(rows, step):
    """The value on the straight line between the two rows around a step."""
    for (x, y), (x_next, y_next) in itertools.pairwise(rows):
        if x <= step <= x_next:
            return y + (y_next - y) * (step - x) / (x_next - x)
    raise AssertionError(f"{step} is outside of {rows}")


ROWS = [
    [(10, 1.0), (25, 4.0), (40, 0.0), (90, 7.0)],
    [(12, -3.0), (30, 3.0), (100, 5.0)],
    [(7, 2.0), (70, 8.0), (85, 10.0), (110, 0.0)],
]


@pytest.fixture
def three(make):
    (group,) = groups([make(f"{seed}", rows, seed=seed) for seed, rows in enumerate(ROWS)])
    return group


def expected_at(steps):
    return np.array([[interpolated(rows, step) for rows in ROWS] for step in steps])  # (T, N)


def test_runs_are_compared_at_the_same_steps(three):
    drawn = curve(three, "return", "mean", "std")
    assert (drawn.steps[0], drawn.steps[-1]) == (12, 90)  # where all three are
    assert np.ptp(np.diff(drawn.steps)) < 1e-9
    values = expected_at(drawn.steps)
    np.testing.assert_allclose(drawn.center, values.mean(axis=1), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(drawn.high - drawn.center, values.std(axis=1, ddof=1), rtol=1e-9)
    np.testing.assert_allclose(drawn.center - drawn.low, values.std(axis=1, ddof=1), rtol=1e-9)


def test_the_interquartile_mean_of_five_is_that_of_three(make):
    rows = [[(0, value), (10, value)] for value in (0.0, 100.0, 2.0, 3.0, 7.0)]
    (group,) = groups([make(f"{n}", row, seed=n) for n, row in enumerate(rows)])
    assert curve(group, "return", "iqm", "std").center == pytest.approx(4.0)
    assert curve(group, "return", "mean", "std").center == pytest.approx(22.4)


def test_the_band_is_where_resampled_means_lie(three, monkeypatch):
    """By another draw of whole runs; 20,000 of them leave less than 2 % of the range of values."""
    monkeypatch.setattr(curves, "RESAMPLES", 20_000)
    drawn = curve(three, "return", "mean", "interval")
    values = expected_at(drawn.steps)  # (T, N)
    chosen = np.random.default_rng(1).choice(3, (20_000, 3))  # (R, N)
    expected = np.quantile(values[:, chosen].mean(axis=-1), [0.025, 0.975], axis=-1)
    np.testing.assert_allclose([drawn.low, drawn.high], expected, atol=0.02 * 13)


def test_a_run_by_itself_is_drawn_as_it_is(make):
    (group,) = groups([make("a", ROWS[0])])
    drawn = curve(group, "return", "iqm", "interval")
    assert list(zip(drawn.steps, drawn.center, strict=True)) == ROWS[0]
    assert np.isnan([drawn.low, drawn.high]).all()


def test_a_group_that_is_cut_short_says_so(three, make):
    assert shortened(three) == (
        "the curve ends at 90 steps, as the shortest of its 3 runs does (the longest at 110)"
    )
    (group,) = groups([make("a", [(1, 0.0), (99, 0.0)]), make("b", [(1, 0.0), (100, 0.0)], seed=1)])
    assert shortened(group) == ""


# The figure


@pytest.fixture
def figures(monkeypatch):
    """The figures that were drawn, which are closed otherwise."""
    pyplot = pytest.importorskip("matplotlib.pyplot", reason="an optional extra")
    close, kept = pyplot.close, []
    monkeypatch.setattr(pyplot, "close", kept.append)
    yield kept
    for figure in kept:
        close(figure)


def plot(tmp_path, *arguments):
    assert call("plot", *arguments, "-o", tmp_path / "a.png") == 0


def test_a_figure_is_readable_on_a_slide_and_without_colour(make, tmp_path, figures):
    from matplotlib.text import Text

    runs = [
        make(f"{gamma}-{seed}", gamma=gamma, seed=seed)
        for gamma in (0.5, 0.6, 0.7)
        for seed in (0, 1)
    ]
    plot(tmp_path, *runs)
    (figure,) = figures
    assert len(figure.axes) == 2  # of what the rows have
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    assert len(texts) > 20
    assert min(text.get_fontsize() for text in texts) >= 12
    for axis in figure.axes:
        lines = axis.get_lines()
        assert [line.get_label() for line in lines] == ["gamma=0.5", "gamma=0.6", "gamma=0.7"]
        assert len({line.get_color() for line in lines}) == 3
        assert len({str(line._dash_pattern) for line in lines}) == 3
        assert all(line.get_linewidth() >= 2 for line in lines)
        assert len(axis.collections) == 3  # the bands
    assert figure.get_suptitle() == "CartPole-v1, PPO, mean of 2 seeds, 95 % bootstrap interval"


def test_center_and_band_are_chosen(make, tmp_path, figures):
    runs = [
        make(f"{seed}", [(0, value), (9, value)], seed=seed)
        for seed, value in enumerate((1, 3, 8, 9))
    ]
    plot(tmp_path, *runs, "--center", "iqm", "--band", "std")
    (figure,) = figures
    assert figure.get_suptitle() == "CartPole-v1, PPO, IQM of 4 seeds, ± standard deviation"
    (line,) = figure.axes[0].get_lines()
    assert line.get_ydata() == pytest.approx(5.5)
    assert not figure.legends  # there is one line


def test_what_has_no_progress_in_a_sweep_is_left_out_and_said(make, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="an optional extra")
    make("sweep/seed=0")
    waiting = make("sweep/seed=1", seed=1)
    (waiting / run.PROGRESS).write_text("")
    picture = tmp_path / "a.png"
    assert call("plot", tmp_path / "sweep", "-o", picture) == 0
    said = capsys.readouterr().out
    assert said == f"{waiting} has no progress to plot yet: it is left out\ndrew {picture}\n"
    # by its name it is expected, and so is one of all
    for given in ([tmp_path / "sweep", waiting], [waiting]):
        assert call("plot", *given, "-o", picture, "--force") == 2
        assert f"{waiting} has no progress to plot yet" in capsys.readouterr().err
    (tmp_path / "sweep/seed=0" / run.PROGRESS).unlink()
    assert call("plot", tmp_path / "sweep", "-o", picture, "--force") == 2
    assert "seed=0 has no progress to plot yet" in capsys.readouterr().err


def test_an_unknown_format_is_refused_before_anything_is_read(tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="an optional extra")
    assert call("plot", tmp_path / "nothing", "-o", tmp_path / "a.xyz") == 2
    error = capsys.readouterr().err
    assert re.fullmatch(r"npppo: cannot write .*a.xyz: its format is 'xyz', .* png, .*\n", error)


def test_a_sweep_is_drawn_and_what_is_cut_short_is_said(make, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="an optional extra")
    for seed, rows in enumerate(ROWS):
        make(f"sweep/seed={seed}", rows, seed=seed)
    for suffix, magic in ((".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")):
        picture = tmp_path / f"a{suffix}"
        assert call("plot", tmp_path / "sweep", "-o", picture) == 0
        said = capsys.readouterr().out
        assert re.fullmatch(rf"the curve ends at 90 steps, .*\ndrew {picture}\n", said)
        assert picture.read_bytes().startswith(magic)
    assert ">return, mean of the last 100 episodes</text>" in (tmp_path / "a.svg").read_text()
