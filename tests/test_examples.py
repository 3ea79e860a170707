"""The programs beside the package: they run, and do what they say."""

import importlib.util
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

import npppo
from npppo import cli

EXAMPLES = Path(__file__).parents[1] / "examples"


def module(name):
    spec = importlib.util.spec_from_file_location(Path(name).stem, EXAMPLES / name)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="module")
def results():
    return module("measure/results.py")


def test_a_tracker_gets_every_row(capsys):
    module("tracker.py")
    lines = capsys.readouterr().out.splitlines()
    steps = [int(line.split()[0]) for line in lines]
    assert steps == sorted(set(steps)) and steps[-1] >= 5_000
    assert all("'return': '" in line for line in lines)


def test_the_printed_command_is_what_is_run(results, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["results.py", "--list", "--seeds", "3,5", "--out", "x"])
    results.main()
    printed = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert set(printed) == set(results.LINES)
    for name, line in results.LINES.items():
        given = cli.parse(shlex.split(printed[name])[1:])
        del given["command"]
        wanted = {"env": line.env, "seeds": [3, 5], "steps": line.steps, "out": Path("x", name)}
        wanted["eval_episodes"] = 100 if name.startswith("zoo") else 0
        assert {key: given.pop(key) for key in wanted} == wanted
        assert npppo.PPO.configure(line.env, given) == npppo.PPO.configure(line.env, line.settings)


def test_a_line_is_run_once_and_tells_what_came_of_it(results, tmp_path, monkeypatch, capsys):
    line = results.LINES["cleanrl-cartpole"]
    few = ["--only", "cleanrl-cartpole", "--seeds", "0-1", "--jobs", "1", "--steps", "600"]
    monkeypatch.setattr(sys, "argv", ["results.py", *few, "--out", str(tmp_path)])
    results.main()
    table = (tmp_path / "results.md").read_text()
    assert capsys.readouterr().out.endswith(table)
    models = [npppo.PPO(line.env, seed, **line.settings).learn(600) for seed in (0, 1)]
    means = [np.mean([r for r, _ in model.recent]) for model in models]
    cells = [cell.strip() for cell in table.splitlines()[2].split("|")[1:-1]]
    assert cells[3] == f"{np.mean(means):.2f} ± {np.std(means):.2f}"
    assert cells[4] == "490.04 ± 6.12"
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("checkpoint.npz")}
    results.main()
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_the_time_of_a_run_that_was_resumed_is_that_of_its_parts(results, tmp_path):
    (tmp_path / "progress.csv").write_text("update,seconds\n1,2.5\n2,4.0\n3,1.0\n4,7.0\n")
    assert results.seconds(tmp_path) == 11.0
