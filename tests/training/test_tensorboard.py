"""Event files, read back by TensorBoard itself: they say what progress.csv says."""

import csv
import json
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from test_cli import call
from test_run import SEED, SETTINGS, SHORT, until, until_step

import npppo
from npppo.training import run
from npppo.training.tensorboard import TAGS, EventFiles, event_files

EVENTS = {**until_step(SHORT), "tensorboard": True}
needs_tensorboard = pytest.mark.skipif(find_spec("tensorboard") is None, reason="an optional extra")


def told(folder):
    """{tag: [(step, value), ...]} as TensorBoard has it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    reader.Reload()
    tags = reader.Tags()["scalars"]
    return {tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in tags}


def expected(folder):
    """The same of progress.csv; an event holds float32, and no nan."""
    with open(folder / "progress.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {}
    for name in rows[0]:
        if name != "timesteps":
            column = [(int(row["timesteps"]), np.float32(row[name])) for row in rows]
            columns[TAGS.get(name, f"train/{name}")] = [
                (step, value) for step, value in column if not np.isnan(value)
            ]
    return columns


def train(folder, updates=10**9, **settings):
    model = npppo.PPO("CartPole-v1", SEED, **SETTINGS)
    run.begin(folder, model, {**EVENTS, **settings})
    run.train(folder, model, {**EVENTS, **settings}, until(updates))


def go_on(folder, **changes):
    model, settings = run.resume(folder)
    assert run.train(folder, model, {**settings, **changes}, until(10**9))


@needs_tensorboard
def test_every_row_is_told(tmp_path):
    train(tmp_path)
    rows = told(tmp_path)
    assert rows == expected(tmp_path)
    assert {"rollout/ep_rew_mean", "rollout/ep_len_mean", "time/fps"} < set(rows)
    assert {"train/learning_rate", "train/approx_kl", "train/explained_variance"} < set(rows)
    assert len(rows["train/learning_rate"]) >= SHORT // 128


@needs_tensorboard
@pytest.mark.parametrize("lost", ["nothing", "rows", "the checkpoint", "half a record"])
def test_a_resumed_run_tells_each_step_once(lost, tmp_path):
    """Also where the run went on after its last checkpoint and was then killed."""
    train(tmp_path, updates=9)
    kept = {name: (tmp_path / name).read_bytes() for name in (run.CHECKPOINT, run.CONFIG)}
    if lost == "rows":
        model, settings = run.resume(tmp_path)
        run.train(tmp_path, model, settings, until(14))
        (tmp_path / run.CHECKPOINT).write_bytes(kept[run.CHECKPOINT])
    elif lost == "the checkpoint":
        (tmp_path / run.CHECKPOINT).unlink()
    elif lost == "half a record":
        with open(event_files(tmp_path)[0], "ab") as file:
            file.write(b"\x07\0\0")
    go_on(tmp_path)
    rows = told(tmp_path)
    assert rows == expected(tmp_path)
    assert [number for _, number in rows["time/iterations"]] == list(range(1, 26))


@needs_tensorboard
def test_a_run_may_begin_to_tell_when_it_is_resumed(tmp_path):
    train(tmp_path, updates=5, tensorboard=False)
    assert event_files(tmp_path) == []
    go_on(tmp_path, tensorboard=True)
    assert told(tmp_path) == expected(tmp_path)


@needs_tensorboard
def test_what_was_logged_is_on_the_disk_before_the_checkpoint(tmp_path, monkeypatch):
    seen, flush = [], EventFiles.flush

    def flushing(self):
        flush(self)
        seen.append(len(told(tmp_path)["time/iterations"]))

    monkeypatch.setattr(EventFiles, "flush", flushing)
    monkeypatch.setattr(npppo.PPO, "save", lambda self, path: seen.append(path.name))
    train(tmp_path, updates=7)
    assert seen[-2:] == [7, run.CHECKPOINT]


@needs_tensorboard
def test_the_commands_remember_it(tmp_path, capsys):
    folder = tmp_path / "run"
    quick = ["--n-envs=4", "--n-steps=32", "--batch-size=64", "--n-epochs=1", "--eval-episodes=0"]
    assert (
        call("train", "CartPole-v1", "--steps=500", "--tensorboard", "--out", folder, *quick) == 0
    )
    assert json.loads((folder / run.CONFIG).read_text())["tensorboard"] is True
    assert call("train", "--resume", folder, "--steps=1000", "--eval-episodes=0") == 0
    assert told(folder) == expected(folder)
    assert len(event_files(folder)) == 2
    begin = ["train", "CartPole-v1", "--steps=300", "--out", folder, *quick]
    assert call(*begin) == 2
    assert call(*begin, "--force") == 0
    assert event_files(folder) == []
    assert call("train", "--resume", folder, "--steps=600", "--tensorboard") == 0
    assert told(folder) == expected(folder)


@needs_tensorboard
def test_it_is_a_callback_like_any_other(tmp_path):
    rows = []
    with EventFiles(tmp_path / "log") as log:
        model = npppo.PPO("CartPole-v1", SEED, **SETTINGS)
        model.learn(600, lambda model, row: (log(model, row), rows.append(row))[0])
    assert [step for step, _ in told(tmp_path / "log")["time/fps"]] == [
        row["timesteps"] for row in rows
    ]


def test_without_the_package_it_is_named_with_how_to_install_it(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    folder = tmp_path / "run"
    assert call("train", "CartPole-v1", "--tensorboard", "--out", folder) == 2
    assert capsys.readouterr().err == (
        "npppo: event files need tensorboard, which is not installed: "
        "pip install 'npppo[tensorboard]'\n"
    )
    assert not folder.exists()


def test_a_config_that_makes_no_sense_is_refused(tmp_path):
    train(tmp_path, updates=1, tensorboard=False)
    config = json.loads((tmp_path / run.CONFIG).read_text())
    (tmp_path / run.CONFIG).write_text(json.dumps({**config, "tensorboard": "yes"}))
    with pytest.raises(ValueError, match=r"tensorboard is 'yes', expected true or false"):
        run.resume(tmp_path)
