"""The grader graded: the table that says so, and that it can say no."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from npppo import cli
from npppo.grading.exercises.answers import EXERCISES
from npppo.grading.exercises.trees import mapped
from npppo.grading.formats import selftest

FEW = ("tanh", "value_loss_backward", "approx_kl")


@pytest.fixture
def few(monkeypatch):
    """Only some of the functions, to be changed at will."""
    exercises = {name: EXERCISES[name] for name in FEW}
    monkeypatch.setattr(selftest, "EXERCISES", exercises)
    return exercises


def cells(table):
    return {line.split()[0]: line.split()[1:] for line in table.splitlines()}


def test_every_mistake_is_rejected_and_named(few):
    rows = selftest.tallies()
    assert selftest.passes(rows)
    assert list(rows) == list(FEW)
    for name, row in rows.items():
        assert row.mistakes == row.rejected == len(EXERCISES[name].mistakes) > 0
        assert row.named + row.aliases == row.mistakes
    lines = cells(selftest.format_rows(rows))
    assert list(lines) == ["function", *FEW, "all", str(len(selftest.STYLES))]
    assert lines["tanh"][0] == str(len(EXERCISES["tanh"].mistakes))
    assert lines["all"][0] == str(sum(row.mistakes for row in rows.values()))
    assert f"accepted in {len(FEW)} of {len(FEW)} functions" in selftest.format_rows(rows)


def test_another_seed_gives_the_same_table(few):
    assert selftest.tallies(1) == selftest.tallies(0)


def test_a_mistake_that_no_input_shows_is_reported(few):
    """Near 0, tanh is the same as much else."""
    tanh = few["tanh"]

    def draw(rng):
        return [replace(c, args=(np.zeros_like(c.args[0]),)) for c in tanh.battery.draw(rng)]

    few["tanh"] = replace(tanh, battery=replace(tanh.battery, draw=draw))
    rows = selftest.tallies()
    assert rows["tanh"].rejected < rows["tanh"].mistakes
    assert rows["tanh"].confused
    assert not selftest.passes(rows)
    assert "taken for" in selftest.format_rows(rows)
    assert not rows["approx_kl"].confused


def test_a_mistake_that_is_none_is_reported(few):
    approx_kl = few["approx_kl"]
    first = approx_kl.mistakes[0].switch

    def variant(on, *args):
        return approx_kl.variant(on - {first}, *args)

    few["approx_kl"] = replace(approx_kl, variant=variant)
    rows = selftest.tallies()
    assert rows["approx_kl"].rejected == rows["approx_kl"].mistakes - 1
    assert rows["approx_kl"].confused[0].startswith(f"{first} taken for nothing")
    assert not selftest.passes(rows)


def test_a_style_that_is_refused_is_reported(few, monkeypatch):
    monkeypatch.setitem(selftest.STYLES, "wrong by one", partial(mapped, lambda x: x + 1))
    rows = selftest.tallies()
    assert [row.refused for row in rows.values()] == [["wrong by one"]] * len(FEW)
    assert not selftest.passes(rows)
    table = selftest.format_rows(rows)
    assert "refuses wrong by one" in table
    assert f"accepted in 0 of {len(FEW)} functions" in table


def test_the_command(few, capsys):
    assert cli.main(["grade", "--selftest"]) == 0
    assert list(cells(capsys.readouterr().out))[1:4] == list(FEW)
    few["tanh"] = replace(few["tanh"], variant=lambda on, x: np.tanh(x))
    assert cli.main(["grade", "--selftest"]) == 1
    assert "taken for nothing" in capsys.readouterr().out
