"""A run on disk: whenever it is killed, resumed it ends with the bits of one that was not."""

from __future__ import annotations

import csv
import json
import os
import pickle
import signal
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from test_cli import start

import npppo
from npppo.algorithms.hyperparameters import (
    Config,
    above_0,
    from_0_on,
    name_of_activation,
    whole,
    widths,
    yes_or_no,
)
from npppo.cli import main
from npppo.training import learner, run
from npppo.training.checkpoint import CheckpointError, read_checkpoint
from npppo.training.learner import PPO, Algorithm, Learner

SETTINGS = {
    "n_envs": 4,
    "n_steps": 32,
    "batch_size": 64,
    "n_epochs": 2,
    "net_arch": (8,),
    "learning_rate": 0.002,
    "learning_rate_end": 0.001,
}
SEED = 3
SHORT, LONG = 3_000, 60_000  # LONG takes more than the second between two checkpoints
TIMES = ("seconds", "steps_per_second")


def options(**settings):
    """As the command line takes them."""
    for name, value in settings.items():
        yield "--" + name.replace("_", "-")
        yield from map(str, value if isinstance(value, tuple) else [value])


def train_arguments(folder, steps, **settings):
    given = options(steps=steps, out=folder, seed=SEED, **{**SETTINGS, **settings})
    return ["train", "CartPole-v1", *given]


def progress(folder):
    """The rows of progress.csv as they are written, without the two columns of times."""
    with open(folder / "progress.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: row[name] for name in row if name not in TIMES} for row in rows]


def outcome(folder):
    """All that a run leaves, bit for bit, but for its times."""
    arrays, meta = read_checkpoint(folder / "checkpoint.npz")
    bits = {name: (array.dtype, array.shape, array.tobytes()) for name, array in arrays.items()}
    return progress(folder), bits, meta, (folder / "config.json").read_bytes()


def until_step(steps):
    """The settings of a run."""
    return {"total_timesteps": steps, "stop_at": None}


def uninterrupted(folder, steps):
    model = PPO("CartPole-v1", SEED, **SETTINGS)
    run.begin(folder, model, until_step(steps))
    assert run.train(folder, model, until_step(steps), lambda model, row: True)
    return outcome(folder)


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """The outcome of the short run."""
    return uninterrupted(tmp_path_factory.mktemp("short"), SHORT)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


def resume_to_the_end(folder):
    model, settings = run.resume(folder)
    assert run.train(folder, model, settings, lambda model, row: True)
    return outcome(folder)


def interrupted_after(folder, updates):
    """A short run that was asked to stop."""
    model = PPO("CartPole-v1", SEED, **SETTINGS)
    run.begin(folder, model, until_step(SHORT))
    assert not run.train(folder, model, until_step(SHORT), until(updates))
    assert model.updates == updates
    return model


def until(updates):
    return lambda model, row: row["update"] < updates


# The folder


def test_a_run_leaves_config_progress_and_checkpoint(folder):
    rows, _, meta, config = uninterrupted(folder, SHORT)
    assert {path.name for path in folder.iterdir()} == {run.CONFIG, run.PROGRESS, run.CHECKPOINT}
    config = json.loads(config)
    expected = {**SETTINGS, "net_arch": list(SETTINGS["net_arch"]), "env": "CartPole-v1"}
    expected |= {"seed": SEED, "total_timesteps": SHORT, "stop_at": None}
    assert {name: config[name] for name in expected} == expected
    assert [int(row["update"]) for row in rows] == list(range(1, meta["updates"] + 1))
    assert int(rows[-1]["timesteps"]) == meta["num_timesteps"] >= SHORT
    model = npppo.load(folder)
    assert model.num_timesteps == meta["num_timesteps"]


def test_the_rows_are_those_of_the_python_interface(short):
    rows = []
    model = PPO("CartPole-v1", SEED, **SETTINGS).learn(SHORT, lambda model, row: rows.append(row))
    kept = [{name: str(row[name]) for name in row if name not in TIMES} for row in rows]
    assert kept == short[0]
    assert model.agent.parameters.tobytes() == short[1]["parameters"][-1]


@pytest.mark.parametrize("name", [run.CONFIG, run.PROGRESS, run.CHECKPOINT])
def test_a_folder_that_holds_a_run_is_refused_untouched(name, folder):
    folder.mkdir()
    (folder / name).write_bytes(b"precious")
    with pytest.raises(ValueError, match=rf"already holds a run \({name}\).*--resume"):
        run.begin(folder, PPO("CartPole-v1", SEED), {})
    assert main(train_arguments(folder, SHORT)) == 2
    assert [path.name for path in folder.iterdir()] == [name]
    assert (folder / name).read_bytes() == b"precious"


def test_a_run_is_overwritten_by_force_alone(folder):
    uninterrupted(folder, 400)
    (folder / "notes.txt").write_text("mine")
    assert main([*train_arguments(folder, 200), "--force", "--eval-episodes", "0"]) == 0
    assert (folder / "notes.txt").read_text() == "mine"
    (folder / "notes.txt").unlink()
    assert outcome(folder) == uninterrupted(folder.with_name("other"), 200)


def test_whoever_makes_a_numbered_folder_has_it(tmp_path, monkeypatch):
    """Somebody else makes the first two after we have seen that they are free."""
    make = Path.mkdir

    def make_too_late(path, *args, **kwargs):
        if path.name in ("Env-1", "Env-2"):
            make(path)
        make(path, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", make_too_late)
    assert run.free_folder(tmp_path / "runs", "Env") == tmp_path / "runs" / "Env-3"
    assert run.free_folder(tmp_path / "runs", "Env") == tmp_path / "runs" / "Env-4"


def test_of_two_that_begin_in_the_same_folder_one_has_it(folder, monkeypatch):
    """The other one's config.json comes after we have seen that there is none."""
    link = os.link

    def link_too_late(source, target):
        Path(target).write_text("theirs")
        link(source, target)

    monkeypatch.setattr(os, "link", link_too_late)
    with pytest.raises(ValueError, match=r"already holds a run \(config.json\)"):
        run.begin(folder, PPO("CartPole-v1", SEED), {})
    assert (folder / run.CONFIG).read_text() == "theirs"
    assert [path.name for path in folder.iterdir()] == [run.CONFIG]


@pytest.mark.skipif(not find_spec("fcntl"), reason="no such locks here")
def test_a_run_is_trained_by_one_at_a_time(folder, capsys):
    interrupted_after(folder, 3)
    before = outcome(folder)
    with run.alone(folder):
        for command in (["train", "--resume", str(folder)], train_arguments(folder, SHORT)):
            assert main([*command, *(["--force"] if "--out" in command else [])]) == 2
            assert capsys.readouterr().err == (f"npppo: another process is training in {folder}\n")
    assert outcome(folder) == before
    with run.alone(folder):  # who has ended holds nobody up
        pass


def test_a_folder_that_holds_something_else_is_taken(folder):
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    uninterrupted(folder, 100)
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"cannot make the folder .*file"):
        run.begin(tmp_path / "file" / "run", PPO("CartPole-v1", SEED), {})


def test_the_run_stops_at_a_mean_return_of_100_episodes(folder):
    model = PPO("CartPole-v1", SEED, **SETTINGS)
    settings = {"total_timesteps": LONG, "stop_at": 15.0}
    run.begin(folder, model, settings)
    assert run.train(folder, model, settings, lambda model, row: True)
    rows = progress(folder)
    reached = [int(row["episodes"]) >= 100 and float(row["return"]) >= 15 for row in rows]
    assert reached == [False] * (len(rows) - 1) + [True]
    assert model.num_timesteps < LONG
    before = outcome(folder)
    assert resume_to_the_end(folder) == before  # there is nothing left to do


# Resuming


@pytest.mark.parametrize("updates", [1, 7, 20])
def test_an_interrupted_run_goes_on_bit_for_bit(updates, folder, short):
    interrupted_after(folder, updates)
    assert len(progress(folder)) == updates
    assert resume_to_the_end(folder) == short


def test_a_run_can_be_interrupted_again_and_again(folder, short):
    interrupted_after(folder, 2)
    for updates in (3, 8, 15):
        model, _ = run.resume(folder)
        assert not run.train(folder, model, until_step(SHORT), until(updates))
    assert resume_to_the_end(folder) == short


def test_another_interruption_would_show(folder, short):
    """That two runs are equal is no accident: one that goes on from another place differs."""
    model = interrupted_after(folder, 7)
    model.agent.parameters[0] += 1e-6
    model.save(folder / run.CHECKPOINT)
    assert resume_to_the_end(folder) != short


def test_rows_beyond_the_checkpoint_are_cut_off(folder, short):
    """The process was killed between writing progress and writing the checkpoint."""
    interrupted_after(folder, 7)
    with open(folder / run.PROGRESS, newline="") as file:
        lines = file.readlines()
    later = [line.replace("7,", f"{n},", 1) for n, line in enumerate([lines[-1]] * 3, start=8)]
    with open(folder / run.PROGRESS, "a", newline="") as file:
        file.writelines(later)
    assert [int(row["update"]) for row in progress(folder)] == list(range(1, 11))
    assert resume_to_the_end(folder) == short


@pytest.mark.parametrize("length", [1, 2, 10, 100, -2, -1])
def test_half_a_last_line_is_cut_off(length, folder, short):
    """Of the row of update 13, which the crash left; a row of update 1, it seems, if one digit."""
    interrupted_after(folder, 12)
    with open(folder / run.PROGRESS, "rb") as file:
        *_, last = file.readlines()
    assert last.startswith(b"12,") and len(last) > 101
    with open(folder / run.PROGRESS, "ab") as file:
        file.write((b"13," + last[3:])[:length])
    assert resume_to_the_end(folder) == short


@pytest.mark.parametrize("left", ["nothing", "half a header", "rows"])
def test_without_a_checkpoint_the_run_starts_again(left, folder, short):
    interrupted_after(folder, 7)
    (folder / run.CHECKPOINT).unlink()
    if left == "nothing":
        (folder / run.PROGRESS).unlink()
    elif left == "half a header":
        (folder / run.PROGRESS).write_bytes(b"update,time")
    assert resume_to_the_end(folder) == short


def learning_rates(folder):
    return [float(row["learning_rate"]) for row in progress(folder)]


def test_a_longer_resumed_run_says_that_its_schedules_go_on_elsewhere(folder, capsys):
    uninterrupted(folder, SHORT)
    last = learning_rates(folder)[-1]
    done = npppo.load(folder).num_timesteps
    arguments = ["train", "--resume", str(folder), "--eval-episodes", "0", "--steps"]
    assert main([*arguments, str(2 * SHORT)]) == 0
    rates = learning_rates(folder)
    expected = SETTINGS["learning_rate"] * (1 - done / (2 * SHORT) / 2)
    assert max(rates[rates.index(last) + 1 :]) == pytest.approx(expected)
    assert (
        f"learning_rate goes on at {expected:.4g}, not at 0.001: it now reaches 0.001 at "
        f"{2 * SHORT:,} steps (at {SHORT:,}, as before, with --keep-schedules)\n"
    ) in capsys.readouterr().out


def test_schedules_that_are_kept_end_where_they_did(folder, capsys):
    """Also after another interruption."""
    uninterrupted(folder, SHORT)
    before = learning_rates(folder)
    arguments = ["train", "--resume", str(folder), "--eval-episodes", "0"]
    assert main([*arguments, "--keep-schedules", "--steps", str(SHORT + 200)]) == 0
    config = json.loads((folder / run.CONFIG).read_text())
    config["total_timesteps"] += 400  # as if the run had been interrupted
    (folder / run.CONFIG).write_text(json.dumps(config))
    assert main(arguments) == 0
    rates = learning_rates(folder)
    assert rates[: len(before)] == before
    assert len(rates) > len(before) + 2
    assert set(rates[len(before) :]) == {SETTINGS["learning_rate_end"]}
    assert "learning_rate" not in capsys.readouterr().out


def test_what_a_crash_left_of_a_checkpoint_is_in_nobodys_way(folder, short):
    interrupted_after(folder, 7)
    (folder / f".{run.CHECKPOINT}.unfinished").write_bytes(b"half of it")
    assert resume_to_the_end(folder) == short


@pytest.mark.parametrize("row", ["3", "3{rest},2", "0{rest}", "x{rest}", "1.5{rest}", "3,x{rest}"])
def test_a_row_that_is_none_is_refused(row, folder):
    """Too short, too long, of no update, no number."""
    interrupted_after(folder, 3)
    with open(folder / run.PROGRESS, "r+") as file:
        *_, last = file.read().splitlines()
        file.write(row.format(rest=last.removeprefix("3")) + "\n")
    with pytest.raises(CheckpointError, match=rf"{run.PROGRESS} has a row that is none of npppo"):
        run.resume(folder)


def test_a_damaged_checkpoint_is_refused_and_kept(folder):
    interrupted_after(folder, 7)
    before = (folder / run.PROGRESS).read_bytes()
    damaged = (folder / run.CHECKPOINT).read_bytes()[:-1]
    (folder / run.CHECKPOINT).write_bytes(damaged)
    with pytest.raises(CheckpointError, match=r"checkpoint\.npz"):
        run.resume(folder)
    assert (folder / run.CHECKPOINT).read_bytes() == damaged
    assert (folder / run.PROGRESS).read_bytes() == before


DAMAGED = [
    *["", "{", "[]", "3", "null", "\0\0\0", '"env"'],
    *['{"env": "CartPole-v1"}', '{"seed": 1}', '{"env": "CartPole-v1", "seed": 1}'],
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_config_is_refused(content, folder):
    folder.mkdir()
    (folder / run.CONFIG).write_text(content)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        run.resume(folder)


def test_the_config_of_another_algorithm_is_refused(folder):
    model = npppo.TRPO("CartPole-v1", SEED, net_arch=(8,))
    run.begin(folder, model, until_step(SHORT))
    run.train(folder, model, until_step(SHORT), until(1))
    content = json.loads((folder / run.CONFIG).read_text())
    write = (folder / run.CONFIG).write_text
    write(json.dumps({**content, "algorithm": "PPO"}))
    with pytest.raises(CheckpointError, match="is of PPO, but the checkpoint of TRPO"):
        run.resume(folder)
    write(json.dumps(content))
    assert type(run.resume(folder)[0]) is npppo.TRPO


def test_a_folder_without_a_run_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(CheckpointError, match="holds no run"):
            run.resume(folder)


def test_a_longer_resumed_run_is_remembered(folder, capsys):
    uninterrupted(folder, SHORT)
    assert main(["train", "--resume", str(folder), "--steps", str(2 * SHORT)]) == 0
    assert npppo.load(folder).num_timesteps >= 2 * SHORT
    assert json.loads((folder / run.CONFIG).read_text())["total_timesteps"] == 2 * SHORT
    assert int(progress(folder)[-1]["timesteps"]) >= 2 * SHORT


# Another algorithm


@dataclass(frozen=True)
class WanderConfig(Config):
    learning_rate: float = above_0(0.1, "how far it goes")
    learning_rate_end: float | None = from_0_on(0.0, "how far at the end")
    n_envs: int = whole(2, "environments")
    n_steps: int = whole(16, "steps")
    net_arch: tuple[int, ...] = widths((4,), "widths")
    activation: str = name_of_activation("tanh", "of the hidden layers")
    shared_trunk: bool = yes_or_no(True, "one trunk")


def wander(agent, adam, batch, config, learning_rate, rng):
    """At random, with some momentum."""
    adam.m += rng.normal(size=adam.m.shape)
    adam.step += 1
    agent.parameters += learning_rate * adam.m
    return {"reward": batch.rewards.mean()}


class Wander(Learner):
    algorithm = Algorithm("Wander", "goes anywhere", WanderConfig, wander)


@pytest.mark.parametrize("left", ["a checkpoint", "a config"])
def test_an_algorithm_is_a_config_and_an_update(left, folder, tmp_path, monkeypatch, capsys):
    """Once it is in the table its runs are saved, resumed bit for bit, evaluated, as any other."""
    monkeypatch.setitem(learner.ALGORITHMS, "Wander", Wander)
    settings = until_step(500)
    for place, updates in ((tmp_path / "whole", 10**9), (folder, 5)):
        model = Wander("CartPole-v1", SEED)
        run.begin(place, model, settings)
        run.train(place, model, settings, until(updates))
    assert len(progress(folder)) == 5 < len(progress(tmp_path / "whole"))
    if left == "a config":
        (folder / run.CHECKPOINT).unlink()
    assert main(["train", "--resume", str(folder), "--eval-episodes", "2"]) == 0
    assert "2 episodes, deterministic policy" in capsys.readouterr().out
    assert outcome(folder) == outcome(tmp_path / "whole")
    rates = learning_rates(folder)
    assert rates == sorted(rates, reverse=True) and rates[0] == 0.1 > rates[-1]
    assert type(npppo.load(folder)) is type(pickle.loads(pickle.dumps(model))) is Wander
    with pytest.raises(TypeError, match="'gamma' is no hyperparameter of Wander"):
        Wander("CartPole-v1", gamma=0.9)
    with pytest.raises(ValueError, match="n_steps is 0, expected a whole number from 1 on"):
        Wander("CartPole-v1", n_steps=0)
    monkeypatch.delitem(learner.ALGORITHMS, "Wander")
    for read in (npppo.load, run.resume):
        with pytest.raises(
            CheckpointError,
            match="algorithm is 'Wander', expected one of REINFORCE, A2C, TRPO, PPO",
        ):
            read(folder)


# When it is saved


def test_saving_takes_a_small_share_of_the_time(folder, monkeypatch):
    """However long a save lasts. By the clock of this test both last half a second."""
    now, saved = [0.0], []
    monkeypatch.setattr(run, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def slow_save(model, path):
        saved.append(now[0])
        now[0] += 0.5

    def on_update(model, row):
        now[0] += 0.5
        return row["update"] < 300

    monkeypatch.setattr(PPO, "save", slow_save)
    model = PPO("CartPole-v1", SEED, **{**SETTINGS, "n_steps": 2, "batch_size": 8})
    folder.mkdir()
    run.train(folder, model, until_step(10**6), on_update)
    pauses = np.diff(saved)
    assert saved[0] == pytest.approx(run.LEAST_SECONDS_BETWEEN_SAVES, abs=0.6)
    assert len(pauses) > 3
    assert (pauses[:-1] > 0.5 / run.SAVING_SHARE).all()  # the last one is at the end


def test_progress_is_on_the_disk_before_the_checkpoint(folder, monkeypatch):
    monkeypatch.setattr(run, "LEAST_SECONDS_BETWEEN_SAVES", 0.0)
    monkeypatch.setattr(run, "SAVING_SHARE", np.inf)
    lengths = []

    def save(model, path):
        lengths.append((model.updates, len(progress(folder))))

    monkeypatch.setattr(PPO, "save", save)
    model = PPO("CartPole-v1", SEED, **SETTINGS)
    run.begin(folder, model, {})
    run.train(folder, model, until_step(1000), lambda model, row: True)
    assert len(lengths) > 5
    assert all(updates == rows for updates, rows in lengths)


# Killed without warning


KILLED_AT = """
import os, signal, sys
import numpy as np
from npppo import cli
from npppo.agents import rollout
from npppo.training import learner, run

run.LEAST_SECONDS_BETWEEN_SAVES, run.SAVING_SHARE = 0.0, float("inf")  # save after every update
calls = 0


def kill_at(number, place, name, first=lambda *args: None):
    original = getattr(place, name)

    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == number:
            first(*args)
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(place, name, call)


def half_a_file(file):
    file.write(b"PK half of it")
    file.flush()


moment, *arguments = sys.argv[1:]
match moment:
    case "before the folder is made":
        kill_at(1, run, "begin")
    case "before config.json has its name":
        kill_at(1, os, "link")
    case "before the first step":
        kill_at(1, rollout.Player, "play")
    case "before the first checkpoint":
        kill_at(1, learner.PPO, "save")
    case "between progress and checkpoint":
        kill_at(5, learner.PPO, "save")
    case "in the middle of a checkpoint":
        kill_at(5, np, "savez", half_a_file)
    case "before a checkpoint has its name":
        kill_at(5, os, "replace")
    case "in the middle of an update":
        kill_at(9, rollout.Player, "play")
cli.main(arguments)
raise SystemExit("was not killed")
"""
MOMENTS = [line.split('"')[1] for line in KILLED_AT.splitlines() if line.strip()[:4] == "case"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_resumes_bit_for_bit(moment, folder, short, capsys):
    process = start("-c", KILLED_AT, moment, *train_arguments(folder, SHORT))
    _, error = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, error
    if (folder / run.CONFIG).exists():
        assert main(["train", "--resume", str(folder)]) == 0
    else:  # there was no run yet, so the folder is free
        assert moment.startswith("before ") and moment.endswith(
            ("made", "config.json has its name")
        )
        assert main(train_arguments(folder, SHORT)) == 0
    assert outcome(folder) == short


def wait_for(holds, process):
    """Until it holds, or the process has ended by itself."""
    while not holds() and process.poll() is None:
        time.sleep(0.005)


def test_the_command_killed_at_any_time_resumes_bit_for_bit(folder, tmp_path):
    """Once very early, then as soon as there is a config, progress, and a checkpoint."""
    expected = uninterrupted(tmp_path / "uninterrupted", LONG)
    began = time.perf_counter()
    for holds in [
        lambda: time.perf_counter() - began > 0.15,
        lambda: (folder / run.CONFIG).exists(),
        lambda: (folder / run.PROGRESS).exists() and (folder / run.PROGRESS).stat().st_size,
        lambda: (folder / run.CHECKPOINT).exists(),
    ]:
        started = (folder / run.CONFIG).exists()
        command = ["train", "--resume", str(folder)] if started else train_arguments(folder, LONG)
        process = start("-m", "npppo", *command)
        wait_for(holds, process)
        process.kill()
        _, error = process.communicate()
        assert error == ""
    assert resume_to_the_end(folder) == expected


# Ctrl-C


def test_ctrl_c_stops_after_the_update_and_says_how_to_go_on(folder, tmp_path):
    endless = 10**9
    process = start("-m", "npppo", *train_arguments(folder, endless))
    written = folder / run.PROGRESS
    wait_for(lambda: written.exists() and written.stat().st_size, process)
    process.send_signal(signal.SIGINT)
    output, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, "")
    assert f"resume with: npppo train --resume {folder}" in output

    # both go on for some updates, that the one was interrupted leaves no trace
    model, settings = run.resume(folder)
    stopped_at = model.updates
    assert settings["total_timesteps"] == endless
    assert f"interrupted at {model.num_timesteps:,} of {endless:,} steps" in output
    assert int(progress(folder)[-1]["update"]) == stopped_at
    run.train(folder, model, settings, until(stopped_at + 20))
    model, whole = PPO("CartPole-v1", SEED, **SETTINGS), tmp_path / "whole"
    run.begin(whole, model, settings)
    run.train(whole, model, settings, until(stopped_at + 20))
    assert outcome(folder) == outcome(whole)
