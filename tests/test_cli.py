"""The commands as they are typed: what they print, and one clear line for whatever is wrong."""

import errno
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import traceback
from contextlib import redirect_stdout
from dataclasses import fields
from pathlib import Path
from typing import ClassVar

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiDiscrete, Text, Tuple

import npppo
from npppo import check, check_cases, cli
from npppo.algorithms.ppo import PPOConfig
from npppo.formulas import losses
from npppo.training import checkpoint, commands, learner, run
from npppo.training import progress as progress_line

QUICK = ["--n-envs=4", "--n-steps=32", "--batch-size=64", "--n-epochs=2", "--net-arch=8"]
COMMANDS = ["train", "eval", "sweep", "plot", "check"]


def call(*arguments):
    """The exit code of the command, also where argparse ends it."""
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as end:
        return end.code
    except KeyboardInterrupt:  # pytest would take it for our own Ctrl-C
        return "a traceback that ends in KeyboardInterrupt"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    with redirect_stdout(io.StringIO()):
        assert call("train", "CartPole-v1", "--steps", 1000, "--out", folder, *QUICK) == 0
    return folder


@pytest.fixture
def trained(finished, tmp_path):
    """The folder of a short run, to do with as one likes."""
    return shutil.copytree(finished, tmp_path / "trained")


def start(*arguments, **settings):
    """Python in a process of its own, whose output is text."""
    environment = {name: value for name, value in os.environ.items() if "UNBUFFERED" not in name}
    environment["PYTHONPATH"] = str(Path(npppo.__file__).parents[1])
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)], **{"env": environment, **pipes, **settings}
    )


# What is wrong


WRONG = {
    "no command": ("", r"COMMAND"),
    "an unknown command": ("fly", r"'fly'.*train"),
    "an unknown option": ("train CartPole-v1 --speed 3", r"--speed"),
    "an abbreviated option": ("train CartPole-v1 --learning 3", r"--learning"),
    "an option without its value": ("train CartPole-v1 --gamma", r"--gamma"),
    "no environment": ("train", r"ENV is missing"),
    "an unknown environment": ("train Nope-v0", r"'Nope-v0'"),
    "an unknown version": ("train CartPole-v77", r"'CartPole-v77'"),
    "a missing package": ("train LunarLander-v3", r"LunarLander-v3.*pip install.*box2d"),
    "a missing module": ("train no_such_module:Env-v0", r"no_such_module"),
    "observations of no use": ("train Npppo/Talk-v0", r"observation\[1\] is Text.*expected Box"),
    "no number to normalise": (
        "train CliffWalking-v1 --normalize-observations",
        r"normalize_observations is True.* Discrete\(48\), expected one with a Box",
    ),
    "actions of no use": ("train Npppo/Dials-v0", r"action space is Box.*expected Discrete"),
    "a rate out of range": ("train CartPole-v1 --learning-rate -1", r"learning_rate is -1"),
    "a rate that is none": ("train CartPole-v1 --learning-rate fast", r"--learning-rate.*'fast'"),
    "a rate that is nan": ("train CartPole-v1 --learning-rate nan", r"learning_rate is nan"),
    "an end that is none": (
        "train CartPole-v1 --learning-rate-end soon",
        r"--learning-rate-end: 'soon' is neither a number nor none",
    ),
    "half an epoch": ("train CartPole-v1 --n-epochs 1.5", r"--n-epochs.*'1.5' is not a whole"),
    "no epoch": ("train CartPole-v1 --n-epochs 0", r"n_epochs is 0"),
    "an infinite batch": ("train CartPole-v1 --batch-size inf", r"--batch-size.*'inf'"),
    "a batch too large": (
        "train CartPole-v1 --n-envs 2 --n-steps 4 --batch-size 9",
        r"batch_size is 9, expected at most n_envs \* n_steps = 8",
    ),
    "a batch too large for the preset": (
        "train CartPole-v1 --batch-size 2000",
        r"batch_size is 2000, expected at most n_envs \* n_steps = 1024 "
        r"\(n_envs and n_steps: the preset of CartPole-v1\)",
    ),
    "an unknown activation": ("train CartPole-v1 --activation gelu", r"'gelu'.*tanh.*relu"),
    "a layer without units": ("train CartPole-v1 --net-arch 64 0", r"net_arch is .*0"),
    "no vector environment": (
        "train Acrobot-v1 --vectorization native",
        r"'Acrobot-v1' by vectorization 'native': .*vector entry point",
    ),
    "an unknown vectorization": (
        "train CartPole-v1 --vectorization threads",
        r"vectorization is 'threads', expected one of auto, sync, async, native",
    ),
    "another vectorization": (
        "train --resume {run} --vectorization sync",
        r"--vectorization cannot change",
    ),
    "no steps": ("train CartPole-v1 --steps 0", r"--steps is 0"),
    "categories to normalise": (
        "train Npppo/Grid-v0 --normalize-observations",
        r"the observation space is MultiDiscrete\(\[\[2 3\] \[4 2\]\]\), expected one with a Box",
    ),
    "a negative seed": ("train CartPole-v1 --seed -1", r"seed is -1"),
    "a folder that is a file": ("train CartPole-v1 --out {file}", r"cannot make.*{file}"),
    "a folder that is taken": ("train CartPole-v1 --out {run}", r"{run} already holds a run"),
    "nothing to resume": ("train --resume {missing}", r"{missing} holds no run"),
    "a file to resume": ("train --resume {file}", r"{file} holds no run"),
    "another environment": ("train Acrobot-v1 --resume {run}", r"Acrobot-v1.*CartPole-v1"),
    "another seed": ("train --resume {run} --seed 1", r"seed cannot change"),
    "another rate": ("train --resume {run} --learning-rate 1", r"--learning-rate cannot change"),
    "another folder": ("train --resume {run} --out {missing}", r"--out cannot change"),
    "a damaged run to resume": ("train --resume {damaged}", r"{damaged}.*checkpoint.npz is trunc"),
    "a learning rate far too large": (
        "train CartPole-v1 --learning-rate 1e30 --out {missing} --steps 2000",
        r"update \d+: the .* is (nan|inf|-inf)",
    ),
    "an evaluation of nothing": ("eval {missing}", r"{missing} holds no run"),
    "an evaluation of a file": ("eval {file}", r"{file} holds no run"),
    "an evaluation of an empty folder": ("eval {empty}", r"{empty} holds no run"),
    "an evaluation without a checkpoint": ("eval {begun}", r"{begun}.*checkpoint.npz does not"),
    "an evaluation of a damaged run": ("eval {damaged}", r"{damaged}.*checkpoint.npz is trunc"),
    "no episodes": ("eval {run} --episodes 0", r"episodes is 0"),
    "no episode to show": ("eval {run} --episodes 0 --render", r"episodes is 0"),
    "fewer than no episodes after the training": (
        "train CartPole-v1 --eval-episodes -1",
        r"--eval-episodes is -1, expected 0 or more",
    ),
    "no steps in an evaluation": (
        "eval {run} --max-steps 0",
        r"max_steps is 0, expected a whole number from 1 on",
    ),
    "no steps in the evaluation after a training": (
        "train CartPole-v1 --max-steps -1",
        r"max_steps is -1, expected a whole number from 1 on",
    ),
    "schedules to keep in a new run": (
        "train CartPole-v1 --keep-schedules",
        r"--keep-schedules is for --resume",
    ),
    "a resumed run by force": ("train --resume {run} --force", r"--force cannot change"),
    "a video of two episodes": (
        "eval {run} --episodes 2 --video {missing}",
        r"--episodes is 2, but --video records 1",
    ),
    "a video in the place of something": ("eval {run} --video {file}", r"{file} is there already"),
    "a video in the checkpoint's place": (
        "eval {run} --video {run}/checkpoint.npz --force",
        r"{run}/checkpoint.npz is what is to be read",
    ),
    "a plot in the place of something": ("plot {run} -o {file}", r"{file} is there already"),
    "a plot in its rows' place": (
        "plot {run} -o {run}/progress.csv --force",
        r"{run}/progress.csv is what is to be read",
    ),
    "a window and a file": ("eval {run} --render --video {missing}", r"--render and --video"),
    "a plot of nothing": ("plot {missing} -o {missing}.png", r"{missing} holds no run"),
    "a plot of an empty folder": ("plot {empty} -o {missing}.png", r"{empty} holds no run"),
    "a plot before the first update": ("plot {begun} -o {missing}.png", r"{begun} has no progress"),
    "a plot to nowhere": (
        "plot {run} -o {missing}/a.png",
        r"cannot write {missing}/a.png: there is no folder {missing}",
    ),
    "a plot in an unknown format": (
        "plot {run} -o {missing}.xyz",
        r"{missing}.xyz: its format is 'xyz'",
    ),
    "a plot without a file": ("plot {run}", r"-o"),
    "too much": ("check all", r"all"),
}


class Talk(gymnasium.Env):
    observation_space = Tuple([Discrete(2), Text(5)])
    action_space = Discrete(2)


class Grid(gymnasium.Env):
    observation_space = MultiDiscrete([[2, 3], [4, 2]])  # whose name takes two lines
    action_space = Discrete(2)


class Dials(gymnasium.Env):
    observation_space = Box(-1, 1, (2,))
    action_space = Box(0, 5, (2,), np.int64)


@pytest.fixture
def places(tmp_path, trained, monkeypatch):
    """What the command lines above name in braces."""
    monkeypatch.setitem(sys.modules, "Box2D", None)  # as if it were not installed
    gymnasium.register("Npppo/Dials-v0", Dials)
    gymnasium.register("Npppo/Talk-v0", Talk)
    gymnasium.register("Npppo/Grid-v0", Grid)
    places = {name: tmp_path / name for name in ("missing", "file", "empty", "begun", "damaged")}
    places["file"].write_text("")
    places["empty"].mkdir()
    for name in ("begun", "damaged"):
        places[name].mkdir()
        (places[name] / run.CONFIG).write_bytes((trained / run.CONFIG).read_bytes())
    whole = (trained / run.CHECKPOINT).read_bytes()
    (places["damaged"] / run.CHECKPOINT).write_bytes(whole[: len(whole) // 2])
    yield {**places, "run": trained}
    for name in ("Dials", "Talk", "Grid"):
        del gymnasium.registry[f"Npppo/{name}-v0"]


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_one_clear_line(what, places, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line, said = WRONG[what]
    if line.startswith("plot"):
        pytest.importorskip("matplotlib", reason="an optional extra")
    said = re.sub(r"\{([a-z]+)\}", lambda match: re.escape(str(places[match[1]])), said)
    before = contents(tmp_path)
    assert call(*line.format(**places).split()) == 2
    output, error = capsys.readouterr()
    began = what == "a learning rate far too large"
    assert bool(output) == began
    assert error.startswith("npppo: ") and error.endswith("\n")
    assert error.count("\n") == 1
    assert re.search(said, error)
    after = contents(tmp_path)
    assert {path: after.get(path) for path in before} == before  # nothing was touched
    if not began:
        assert after == before  # and nothing was left behind


def test_an_error_in_a_process_of_its_own():
    """Nothing comes from elsewhere, from an import or at the end of the process."""
    process = start("-m", "npppo", "train", "Nope-v0")
    output, error = process.communicate(timeout=60)
    assert (process.returncode, output) == (2, "")
    assert re.fullmatch(r"npppo: cannot make the environment 'Nope-v0': .*\n", error)


def test_a_plot_without_matplotlib_says_how_to_install_it(trained, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert call("plot", trained, "-o", trained / "a.png") == 2
    output, error = capsys.readouterr()
    assert output == ""
    assert error == (
        "npppo: plotting needs matplotlib, which is not installed: pip install 'npppo[plot]'\n"
    )


def test_a_full_disk_is_one_clear_line(tmp_path, monkeypatch, capsys):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert call("train", "CartPole-v1", "--steps", 200, "--out", tmp_path / "run", *QUICK) == 2
    error = capsys.readouterr().err
    assert re.fullmatch(rf"npppo: {tmp_path}/run/.*: No space left on device\n", error)


# Whose error it is


class Faulty(gymnasium.Env):
    """Raises what it is told to, where it is told to."""

    observation_space = Box(-1, 1, (1,), np.float64)
    action_space = Discrete(2)

    def __init__(self, where, error):
        self.where, self.error = where, error
        self.fail("make")

    def fail(self, where):
        if where == self.where:
            raise self.error

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.fail("reset")
        return np.zeros(1), {}

    def step(self, action):
        self.fail("step")
        return np.zeros(1), 1.0, False, False, {}


@pytest.mark.parametrize("where", ["make", "reset", "step"])
@pytest.mark.parametrize(
    "kind", [ValueError, TypeError, OSError, BrokenPipeError, FloatingPointError, MemoryError]
)
def test_an_error_of_an_environments_own_keeps_its_traceback(kind, where, tmp_path):
    """With it file and line, and from Python exit code 1."""
    gymnasium.register("Npppo/Faulty-v0", Faulty)
    gymnasium.registry["Npppo/Faulty-v0"].kwargs.update(where=where, error=kind("my mistake"))
    try:
        with pytest.raises(kind, match="my mistake") as caught:
            call("train", "Npppo/Faulty-v0", "--steps", 100, "--out", tmp_path / "run", *QUICK)
    finally:
        del gymnasium.registry["Npppo/Faulty-v0"]
    raised = caught.value.__cause__ or caught.value  # gymnasium makes its own of a TypeError
    assert traceback.extract_tb(raised.__traceback__)[-1].name == "fail"


def test_an_error_of_an_environments_own_keeps_its_traceback_when_it_is_loaded(trained):
    """`load` calls by their name the errors of a checkpoint, not those."""
    env, error = "Npppo/Faulty-v0", KeyError("my mistake")
    arrays, meta = checkpoint.read_checkpoint(trained / run.CHECKPOINT)
    checkpoint.write_checkpoint(trained / run.CHECKPOINT, arrays, {**meta, "env_id": env})
    gymnasium.register(env, Faulty, kwargs={"where": "make", "error": error})
    try:
        with pytest.raises(KeyError, match="my mistake"):
            call("eval", trained)
    finally:
        del gymnasium.registry[env]


# Ctrl-C


def interrupt_at(number, place, name, monkeypatch):
    """Ctrl-C when this function is called for this time, and what it does then."""
    original, calls = getattr(place, name), iter(range(1, 10**9))

    def called(*args, **kwargs):
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGINT)
        return original(*args, **kwargs)

    monkeypatch.setattr(place, name, called)


@pytest.mark.parametrize("command", ["check", "train", "eval"])
def test_ctrl_c_where_there_is_nothing_to_save_ends_quietly(
    command, trained, monkeypatch, capsys, tmp_path
):
    """While an environment is made, while the gradients are checked."""
    interrupt_at(1, check_cases, "check_package", monkeypatch)
    interrupt_at(1, learner, "make_env", monkeypatch)
    arguments = {
        "check": [],
        "train": ["CartPole-v1", "--steps", 200, "--out", tmp_path / "run", *QUICK],
        "eval": [trained],
    }
    assert call(command, *arguments[command]) == 130
    assert capsys.readouterr() == ("", "npppo: interrupted\n")
    assert not (tmp_path / "run").exists()


def run_of(updates, folder):
    """The arguments of a run that needs so many updates, of which some rows are no transitions."""
    return ["train", "CartPole-v1", "--steps", updates * 96, "--out", folder, *QUICK]


def test_ctrl_c_before_the_first_update_stops_after_it(monkeypatch, capsys, tmp_path):
    folder = tmp_path / "run"
    interrupt_at(1, run, "begin", monkeypatch)
    assert call(*run_of(3, folder)) == 130
    output, error = capsys.readouterr()
    steps = npppo.load(folder).num_timesteps
    assert output.splitlines()[2:] == [
        f"interrupted at {steps} of 288 steps, saved in {folder}",
        f"resume with: npppo train --resume {folder}",
    ]
    assert error == ""


@pytest.mark.parametrize("updates", [1, 3])
@pytest.mark.parametrize("moment", ["in the last update", "while it is saved"])
def test_ctrl_c_at_the_end_of_a_training_is_not_lost(
    moment, updates, monkeypatch, capsys, tmp_path
):
    folder = tmp_path / "run"
    if moment == "in the last update":
        interrupt_at(updates, learner.Player, "play", monkeypatch)
    else:
        interrupt_at(1, npppo.PPO, "save", monkeypatch)
    assert call(*run_of(updates, folder)) == 130
    output, error = capsys.readouterr()
    assert output.splitlines()[2].startswith("reached the end of the training after ")
    assert output.splitlines()[3:] == [
        f"saved in {folder}: npppo eval {folder}",
        "interrupted: there is no evaluation",
    ]
    assert error == ""
    assert npppo.load(folder).updates == updates


@pytest.mark.parametrize("command", ["train", "eval"])
def test_ctrl_c_in_an_evaluation_shows_what_was_measured(
    command, trained, monkeypatch, capsys, tmp_path
):
    interrupt_at(60, npppo.PPO, "act", monkeypatch)
    arguments = ["CartPole-v1", "--steps", 200, "--out", tmp_path / "run", *QUICK]
    assert call(command, *(arguments if command == "train" else [trained])) == 130
    output, error = capsys.readouterr()
    assert error == ""
    *_, measured, missing = output.splitlines()
    finished = int(measured.split()[0])
    assert re.fullmatch(
        rf"interrupted: {finished} of 100 episodes were finished; [1-4] w(as|ere) not, after up to "
        r"\d+ steps and with a return of .* to .* so far: the finished ones are the short ones",
        missing,
    )


@pytest.mark.parametrize(
    ("module", "said"),
    [
        *[("argparse", ""), ("npppo.cli", ""), ("numpy.linalg", "")],
        ("gymnasium.spaces", "npppo: interrupted\n"),  # by the command, which may have begun things
    ],
)
def test_ctrl_c_in_an_import_ends_without_a_traceback(module, said, tmp_path):
    script = f"""
import os, signal, sys

class Finder:
    def find_spec(name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder)
sys.argv[1:] = ["train", "CartPole-v1", "--out", {str(tmp_path / "run")!r}]
from npppo.__main__ import start
start()
"""
    process = start("-c", script)
    output, error = process.communicate(timeout=60)
    assert (process.returncode, output, error) == (130, "", said)
    assert not (tmp_path / "run").exists()


def test_a_second_ctrl_c_does_not_wait_for_the_update(tmp_path, monkeypatch):
    play = learner.Player.play

    def interrupted_play(player, *args):
        os.kill(os.getpid(), signal.SIGINT)
        play(player, *args)
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):  # the signal is handled within some instructions
            pass
        pytest.fail("it goes on")

    monkeypatch.setattr(learner.Player, "play", interrupted_play)
    arguments = ["train", "CartPole-v1", "--steps", 10**6, "--out", tmp_path / "run", *QUICK]
    assert call(*arguments) == 130


@pytest.mark.parametrize("command", ["check", "eval"])
def test_a_reader_that_has_gone_is_no_error(command, finished):
    """npppo check | head -0"""
    read, write = os.pipe()
    os.close(read)
    arguments = [finished] if command == "eval" else []
    process = start("-m", "npppo", command, *arguments, stdout=write)
    os.close(write)
    _, error = process.communicate(timeout=60)
    assert error == ""
    assert process.returncode == 1


def test_a_closed_output_is_no_error(finished):
    """npppo eval DIR >&-"""
    script = "import sys; sys.stdout = None; from npppo.__main__ import start; start()"
    process = start("-c", script, "eval", finished, "--episodes", 2)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 0


# Help


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=str)
def test_help(command, capsys):
    assert call(*command, "--help") == 0
    output, error = capsys.readouterr()
    assert error == ""
    for word in command or COMMANDS:
        assert word in output


def test_every_hyperparameter_is_an_option_with_its_help(capsys):
    call("train", "--help")
    output = capsys.readouterr().out
    for field in fields(PPOConfig):
        assert "--" + field.name.replace("_", "-") in output
        assert field.metadata["help"] in " ".join(output.split())


def test_every_hyperparameters_help_says_what_it_is_otherwise(capsys):
    call("train", "--help")
    output = " ".join(capsys.readouterr().out.split())
    for said in [
        "steps in all, rounded up to whole batches (default: the preset's, else 1,000,000)",
        "the optimiser's step size (REINFORCE: 0.003, A2C: 0.0007, TRPO: 0.001, PPO: 0.0003)",
        "REINFORCE: CartPole-v1; A2C: CartPole-v1; TRPO: CartPole-v1; PPO: CartPole-v1, Acrobot-v1",
        "how environments are stepped: auto, sync, async, native (default: auto)",
        "widths of the hidden layers (default: 64 64)",
        "normalise the advantages of each minibatch (A2C: no, TRPO: yes, PPO: yes)",
        "the ratio is clipped to 1 ± this (PPO: 0.2)",
    ]:
        assert said in output
    given = output[output.index("hyperparameters:") :]
    for kind in learner.ALGORITHMS.values():
        for made in fields(kind.algorithm.config):
            assert f"--{made.name.replace('_', '-')} " in given.replace(",", " ")


def test_version(capsys):
    assert call("--version") == 0
    assert capsys.readouterr().out == f"npppo {npppo.__version__}\n"


# Training


def test_a_training_prints_progress_a_summary_and_an_evaluation(tmp_path, capsys):
    folder = tmp_path / "run"
    arguments = ["--steps", 1000, "--seed", 7, "--out", folder, *QUICK]
    assert call("train", "CartPole-v1", *arguments) == 0
    output, error = capsys.readouterr()
    assert error == ""
    steps = npppo.load(folder).num_timesteps
    number = r"\d[\d,.]*"
    said, *lines = output.splitlines()
    assert said == (
        "PPO's preset of CartPole-v1: learning_rate 0.004, learning_rate_end 0.0, gamma 0.98, "
        "gae_lambda 0.95, ent_coef 0.003"
    )
    assert re.fullmatch(
        rf"100%  {steps:,} steps  return {number}  {number} steps/s  0:00 left", lines[0]
    )
    assert re.fullmatch(
        rf"reached the end of the training after {steps:,} steps, {number} s", lines[1]
    )
    assert lines[2] == f"saved in {folder}: npppo eval {folder}"
    assert re.fullmatch(
        rf"100 episodes, deterministic policy: return {number} ± {number} "
        rf"\(from {number} to {number}\), length {number}",
        lines[3],
    )
    assert len(lines) == 4


def test_an_environment_without_a_preset_has_the_defaults_and_a_line_that_says_so(tmp_path, capsys):
    folder = tmp_path / "run"
    arguments = ["--steps", 100, "--eval-episodes", 0, "--out", folder, *QUICK]
    assert call("train", "FrozenLake8x8-v1", *arguments) == 0
    said = capsys.readouterr().out.splitlines()[0]
    assert said == "PPO has no preset for FrozenLake8x8-v1: the defaults"
    assert npppo.load(folder).config.learning_rate == PPOConfig().learning_rate
    assert call("train", "Acrobot-v1", "--algo", "a2c", *arguments[:-5], "--force") == 0
    assert capsys.readouterr().out.startswith("A2C has no preset for Acrobot-v1: the defaults\n")


def test_an_evaluation_after_a_training_has_as_many_episodes_as_asked_for(tmp_path, capsys):
    for number, said in ((0, []), (1, ["1 episode, "]), (3, ["3 episodes, "])):
        arguments = ["--steps", 100, "--eval-episodes", number, "--out", tmp_path / f"{number}"]
        assert call("train", "CartPole-v1", *arguments, *QUICK) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[3].startswith("saved in ")
        assert [line[: len(start)] for line, start in zip(lines[4:], said, strict=True)] == said


def test_an_evaluation_that_would_not_end_says_how_far_it_came(trained, capsys):
    """CliffWalking has no time limit, and a policy may stand still there."""
    assert call("eval", trained, "--episodes", 5, "--max-steps", 3) == 0
    assert capsys.readouterr().out == (
        "0 of 5 episodes were finished; 5 were not, after up to 3 steps and with a return of "
        "3.0 to 3.0 so far (max_steps is 3)\n"
    )


class Still(Faulty):
    """Never ends."""

    metadata: ClassVar = {"render_modes": ["human"]}

    def __init__(self, render_mode=None):
        self.render_mode = render_mode
        super().__init__("", None)


def test_what_does_not_end_is_not_shown_for_ever(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "run"
    gymnasium.register("Npppo/Still-v0", Still)
    try:
        arguments = ["--steps", 100, "--out", folder, "--eval-episodes", 0, *QUICK]
        assert call("train", "Npppo/Still-v0", *arguments) == 0
        capsys.readouterr()
        assert call("eval", folder, "--render", "--episodes", 2, "--max-steps", 30) == 0
        assert capsys.readouterr().out == (
            "0 of 2 episodes were finished; 2 were not, after up to 30 steps and with a return of "
            "30.0 to 30.0 so far (max_steps is 30)\n"
        )
        interrupt_at(5, Still, "step", monkeypatch)
        assert call("eval", folder, "--render") == 130
        assert capsys.readouterr().out == (
            "interrupted: 0 of 1 episodes were finished; 1 was not, after up to 4 steps and with a "
            "return of 4.0 to 4.0 so far\n"
        )
        monkeypatch.setattr(Still, "step", lambda env, action: Faulty("make", RuntimeError("mine")))
        with pytest.raises(RuntimeError, match="mine"):
            call("eval", folder, "--render")
    finally:
        del gymnasium.registry["Npppo/Still-v0"]


def test_a_long_evaluation_prints_where_it_is(trained, capsys, monkeypatch):
    monkeypatch.setattr(commands.Line, "show", lambda line, text: print(text))
    assert call("eval", trained, "--episodes", 6, "--max-steps", 20) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "evaluating: 0 of 6 episodes, at step 1 of at most 20"
    assert re.fullmatch(
        r"evaluating: \d of 6 episodes, (\d unfinished, )?at step \d+ of at most 20", lines[-3]
    )


def test_an_environments_module_may_be_in_the_folder_at_hand(tmp_path):
    """As with python -m npppo; the command's sys.path begins with the folder of its script."""
    (tmp_path / "elsewhere").mkdir()
    script = tmp_path / "elsewhere" / "npppo"
    script.write_text("from npppo.__main__ import start\nstart()\n")
    (tmp_path / "mine.py").write_text(
        "import gymnasium\n"
        "from gymnasium.envs.classic_control import CartPoleEnv\n"
        "gymnasium.register('Mine-v0', CartPoleEnv, max_episode_steps=10)\n"
    )
    for arguments in (
        ["train", "mine:Mine-v0", "--steps", 100, "--out", "run", *QUICK],
        ["train", "--resume", "run", "--eval-episodes", 1],
        ["eval", "run", "--episodes", 2],
    ):
        process = start(script, *arguments, cwd=tmp_path)
        output, error = process.communicate(timeout=60)
        assert (process.returncode, error) == (0, "")
        assert "deterministic policy: return 10.00" in output or "episode" in output


def test_a_long_training_prints_progress_now_and_then(tmp_path, capsys, monkeypatch):
    """In a pipe a line every ten seconds, here every other update."""
    shown = iter(range(10**6))
    monkeypatch.setattr(progress_line.time, "perf_counter", lambda: 2.0 * next(shown))
    progress = commands.Progress(10_000)
    for update in range(1, 30):
        progress.update({"timesteps": 100 * update, "return": 1.0})
    lines = capsys.readouterr().out.splitlines()
    assert 3 < len(lines) < 29
    assert [int(line.split("%")[0]) for line in lines] == sorted(
        int(line.split("%")[0]) for line in lines
    )


def test_on_a_terminal_the_line_is_updated_in_place(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    progress = commands.Progress(1000)
    progress.update({"timesteps": 0, "return": float("nan")})
    assert "  return -  " in progress.text
    progress.pause = 0.0
    for steps in (100, 500, 1000):
        progress.update({"timesteps": steps, "return": float("nan")})
    progress.close()
    output = capsys.readouterr().out
    assert output.count("\r") == 3 and output.count("\n") == 1
    assert output.endswith("\n")


def test_options_reach_the_config(tmp_path):
    values = {
        **{"learning_rate": 0.002, "learning_rate_end": 0.001, "n_envs": 3, "n_steps": 20},
        **{"batch_size": 30, "n_epochs": 2, "gamma": 0.9, "gae_lambda": 0.8, "clip_range": 0.3},
        **{"clip_range_end": 0.1, "clip_range_vf": 0.4, "ent_coef": 0.01, "vf_coef": 0.6},
        **{"max_grad_norm": 0.7, "target_kl": 0.05, "normalize_advantage": False},
        **{"net_arch": (7, 5), "activation": "relu", "shared_trunk": True},
    }
    values |= {"optimizer": "sgd", "objective": "penalty", "kl_coef": 0.5}
    values |= {"learning_rate_kl": 0.02, "recompute_advantages": True, "vectorization": "sync"}
    values |= {"normalize_observations": True, "normalize_rewards": True}
    values |= {"clip_observations": 5.0, "clip_rewards": 6.0}
    others = {"clip_range_high", "clip_bound", "kl_target"}  # of other objectives
    assert set(values) | others == {field.name for field in fields(PPOConfig)}
    arguments = []
    for name, value in values.items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            arguments.append(f"--{option}" if value else f"--no-{option}")
        else:
            arguments += [f"--{option}", *(value if isinstance(value, tuple) else [value])]
    folder = tmp_path / "run"
    assert call("train", "CartPole-v1", "--steps", "2e2", "--out", folder, *arguments) == 0
    model = npppo.load(folder)
    assert model.config == PPOConfig(**values)
    assert model.seed == 0


def test_what_a_preset_has_can_be_taken_away(tmp_path):
    folder = tmp_path / "run"
    arguments = ["--steps", 100, "--learning-rate-end", "none", "--out", folder, *QUICK]
    assert call("train", "CartPole-v1", *arguments, "--eval-episodes=0") == 0
    assert npppo.load(folder).config.learning_rate_end is None


def test_whole_numbers_may_be_written_as_people_do():
    for text in ("100000", "1e5", "100_000", "1E+5", "100000.0"):
        assert commands.whole(text) == 100_000
    assert commands.whole(str(2**63 + 1)) == 2**63 + 1  # not by way of a float


def test_without_a_folder_each_run_gets_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        assert call("train", "CartPole-v1", "--steps", 100, *QUICK) == 0
        assert (tmp_path / f"runs/CartPole-v1-{number}/checkpoint.npz").exists()
        assert f"npppo eval runs/CartPole-v1-{number}" in capsys.readouterr().out


def test_a_training_stops_at_a_return(tmp_path, capsys):
    arguments = ["--steps", 10**6, "--stop-at", 12, "--out", tmp_path / "run", *QUICK]
    assert call("train", "CartPole-v1", *arguments) == 0
    assert re.search(r"reached a mean training return of 12 after", capsys.readouterr().out)
    assert npppo.load(tmp_path / "run").num_timesteps < 10_000


def test_resuming_a_finished_run_only_evaluates_it(trained, capsys):
    before = contents(trained)
    assert call("train", "--resume", trained) == 0
    output = capsys.readouterr().out
    steps = npppo.load(trained).num_timesteps
    assert f"resuming {trained} at {steps:,} steps" in output
    assert "reached the end of the training" in output and "100 episodes" in output
    assert contents(trained) == before


# Evaluating, plotting, checking


def test_an_evaluation_repeats_that_of_the_training(tmp_path, capsys):
    folder = tmp_path / "run"
    assert call("train", "CartPole-v1", "--steps", 1000, "--out", folder, *QUICK) == 0
    evaluated = [line for line in capsys.readouterr().out.splitlines() if "episodes" in line]
    assert call("eval", folder) == 0
    assert capsys.readouterr().out.splitlines() == evaluated
    for options in (["--seed", 1], ["--stochastic"], ["--episodes", 7]):
        assert call("eval", folder, *options) == 0
        assert capsys.readouterr().out.splitlines() != evaluated


def test_an_evaluation_prints_the_statistics_of_its_episodes(trained, capsys):
    assert call("eval", trained, "--episodes", 20, "--seed", 5) == 0
    results = npppo.training.evaluate.evaluate(npppo.load(trained), 20, seed=5)
    returns = [episode_return for episode_return, _ in results]
    expected = (
        f"20 episodes, deterministic policy: return {np.mean(returns):.2f} ± {np.std(returns):.2f} "
        f"(from {min(returns):.1f} to {max(returns):.1f}), "
        f"length {np.mean([length for _, length in results]):.1f}\n"
    )
    assert capsys.readouterr().out == expected


def test_plots_of_several_runs(trained, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="an optional extra")
    other = tmp_path / "other"
    assert call("train", "CartPole-v1", "--steps", 500, "--seed", 1, "--out", other, *QUICK) == 0
    capsys.readouterr()
    for name, magic in [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")]:
        assert call("plot", trained, other, "-o", tmp_path / name) == 0
        assert capsys.readouterr().out == f"drew {tmp_path / name}\n"
        assert (tmp_path / name).read_bytes().startswith(magic)
    assert (tmp_path / "a.svg").read_text().count("explained variance") > 0
    (tmp_path / "a.png").write_bytes(b"mine")
    assert call("plot", trained, "-o", tmp_path / "a.png", "--force") == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_check_prints_a_table_and_agrees(capsys):
    assert call("check") == 0
    output, error = capsys.readouterr()
    assert error == ""
    for name in npppo.__all__:
        if name.endswith("_backward"):
            assert name.removesuffix("_backward") in output
    assert output == check.format_table(check_cases.check_package(0)) + "\n"


def test_check_finds_a_wrong_gradient(capsys, monkeypatch):
    right = losses.value_loss_backward
    monkeypatch.setattr(losses, "value_loss_backward", lambda *args: 1.001 * right(*args))
    assert call("check") == 1
    wrong = [line for line in capsys.readouterr().out.splitlines() if "value_loss" in line]
    assert wrong and not wrong[0].rstrip().endswith("ok")


def test_the_commands_use_one_blas_thread_unless_told_otherwise():
    script = "import npppo.cli, os; print(os.environ['OPENBLAS_NUM_THREADS'])"
    for given, expected in [({}, "1"), ({"OPENBLAS_NUM_THREADS": "3"}, "3")]:
        environment = {k: v for k, v in os.environ.items() if "NUM_THREADS" not in k}
        environment |= {"PYTHONPATH": str(Path(npppo.__file__).parents[1]), **given}
        output, error = start("-c", script, env=environment).communicate(timeout=60)
        assert (output.strip(), error) == (expected, "")
