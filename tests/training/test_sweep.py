"""Many runs: the bits of each by itself, on whatever executor, through failures and kills."""

import csv
import math
import os
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import gymnasium
import numpy as np
import pytest
import unlucky
from test_cli import call, contents, start
from test_run import outcome, wait_for

import npppo
from npppo.agents.stepping import env_seed
from npppo.training import job, run, sweep
from npppo.training.job import Outcome
from npppo.training.results import as_text, table, write_table
from npppo.training.workers import on_executor

TINY = {"n_envs": 2, "n_steps": 32, "batch_size": 64, "n_epochs": 1, "net_arch": (4,)}
OPTIONS = ["--n-envs=2", "--n-steps=32", "--batch-size=64", "--n-epochs=1", "--net-arch=4"]
OPTIONS += ["--steps", "300"]
QUICK = {**TINY, "steps": 300, "eval_episodes": 3}
SEEDS = [0, 1, 2]
LONG = 15_000  # takes about the second between two checkpoints


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What `npppo train` leaves of each seed, and what it says of its evaluation."""
    folder = tmp_path_factory.mktemp("alone")
    for seed in SEEDS:
        assert (
            call("train", "CartPole-v1", "--seed", seed, "--out", folder / f"{seed}", *OPTIONS) == 0
        )
    return [outcome(folder / f"{seed}") for seed in SEEDS]


@pytest.fixture
def threads(monkeypatch):
    """In the place of processes, which take longer to begin."""

    def in_threads(number, work, tasks, watch, stop, begun):
        with ThreadPoolExecutor(number) as executor:
            yield from on_executor(executor, work, tasks, watch, stop)

    monkeypatch.setattr(sweep, "on_this_machine", in_threads)


def outcomes(folder):
    return [outcome(folder / f"seed={seed}") for seed in SEEDS]


# The same bits


def test_each_seed_is_what_train_leaves(alone, tmp_path, capsys):
    """In processes, by the command."""
    arguments = ["CartPole-v1", "--seeds", "0-2", "--jobs", 2, "--out", tmp_path, *OPTIONS]
    assert call("sweep", *arguments) == 0
    assert outcomes(tmp_path) == alone
    names = {"seed=0", "seed=1", "seed=2", sweep.RESULTS}
    assert {path.name for path in tmp_path.iterdir()} == names
    output, error = capsys.readouterr()
    assert error == ""
    assert re.search(r"^3 of 3 done, 0 failed  .* steps/s  0:00 left$", output, re.MULTILINE)
    assert f"npppo plot {tmp_path} -o" in output


def test_dask_gives_the_same_bits(alone, tmp_path):
    distributed = pytest.importorskip("distributed", reason="of the extra test")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        executor = client.get_executor()
        results = npppo.sweep("CartPole-v1", SEEDS, tmp_path, executor=executor, **QUICK)
    assert outcomes(tmp_path) == alone
    assert list(results.outcomes) == ["seed=0", "seed=1", "seed=2"]
    assert not results.failed


def test_the_evaluation_is_that_of_train(tmp_path, threads):
    results = npppo.sweep("CartPole-v1", [1], tmp_path, **QUICK)
    model = npppo.load(tmp_path / "seed=1")
    expected = tuple(r for r, _ in npppo.evaluate(model, episodes=3))
    (one,) = results.outcomes.values()
    assert one.evaluation == expected
    assert one.steps == model.num_timesteps
    assert one.training == np.mean([r for r, _ in model.recent])
    assert float(run.read_progress(tmp_path / "seed=1")[-1]["return"]) == one.training


# Settings


def test_the_grid_is_the_product_and_the_folders_say_it(tmp_path, threads, capsys):
    arguments = [
        "--seeds",
        "4",
        "--out",
        tmp_path,
        "--eval-episodes",
        0,
        *OPTIONS[1:4],
        *OPTIONS[5:],
    ]
    grid = ["--set", "n_envs=2,4", "net-arch=4,4-3", "--set", "target_kl=none,0.1"]
    assert call("sweep", "CartPole-v1", *grid, *arguments) == 0
    for n_envs in (2, 4):
        for net_arch in ([4], [4, 3]):
            for target_kl in (None, 0.1):
                widths = "-".join(map(str, net_arch))
                name = f"n_envs={n_envs},net_arch={widths},target_kl={target_kl or 'none'}"
                config = run.read_config(tmp_path / name / "seed=4")
                assert [config[key] for key in ("n_envs", "net_arch", "target_kl", "seed")] == [
                    *(n_envs, net_arch, target_kl, 4)
                ]
    with open(tmp_path / sweep.RESULTS, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["n_envs"], row["net_arch"], row["target_kl"]) for row in rows] == [
        *[("2", "4", "none"), ("2", "4", "0.1"), ("2", "4-3", "none"), ("2", "4-3", "0.1")],
        *[("4", "4", "none"), ("4", "4", "0.1"), ("4", "4-3", "none"), ("4", "4-3", "0.1")],
    ]
    assert {row["score"] for row in rows} == {"training"}  # as there was no evaluation
    assert "n_envs=4,net_arch=4-3,target_kl=none" in capsys.readouterr().out


def test_another_algorithm_and_yes_or_no(tmp_path, threads):
    arguments = ["--algo", "a2c", "--seeds", "0", "--steps", 40, "--eval-episodes", 0]
    grid = ["--set", "normalize_advantage=yes,no"]
    assert call("sweep", "CartPole-v1", *grid, *arguments, "--out", tmp_path) == 0
    for word, value in (("yes", True), ("no", False)):
        config = run.read_config(tmp_path / f"normalize_advantage={word}" / "seed=0")
        assert (config["algorithm"], config["normalize_advantage"]) == ("A2C", value)


# The table


def a_seed(*evaluation, training=1.0, missing=""):
    return Outcome(100, training, evaluation, missing)


def test_the_table_by_hand(tmp_path):
    first = [a_seed(9.0, 11.0), a_seed(20.0), a_seed(30.0), a_seed(100.0, training=5.0)]
    settings = {(("gamma", 0.9),): first, (("gamma", 0.99),): [a_seed(1.0, 2.0)]}
    rows = table(settings)
    assert [(row["gamma"], row["score"], row["seeds"], row["mean"]) for row in rows] == [
        *[(0.9, "evaluation", 4, 40), (0.99, "evaluation", 1, 1.5)],
        *[(0.9, "training", 4, 2), (0.99, "training", 1, 1)],
    ]
    assert rows[0]["std"] == pytest.approx(np.sqrt((30**2 + 20**2 + 10**2 + 60**2) / 3))
    assert (rows[0]["median"], rows[0]["iqm"]) == (25, 25)
    assert 10 <= rows[0]["mean_low"] < 20 < 60 < rows[0]["mean_high"] <= 100
    assert rows[0]["iqm_low"] < 25 < rows[0]["iqm_high"]
    for name in ("std", "mean_low", "iqm_high"):  # what one seed cannot say
        assert rows[1][name] is None
    write_table(tmp_path / "a.csv", rows)
    with open(tmp_path / "a.csv", newline="") as file:
        read = list(csv.DictReader(file))
    for row, there in zip(rows, read, strict=True):
        assert there == {name: "" if value is None else str(value) for name, value in row.items()}
    lines = as_text(rows).splitlines()
    assert re.fullmatch(
        r"gamma=0.9  +4  +40.00 \[[\d., ]+\]  +40.82  +25.00 \[.*\]  +25.00 \[.*\]", lines[2]
    )
    assert re.fullmatch(r"gamma=0.99 +1 +1.50 +- +1.50 +1.50", lines[3])


def test_a_seed_without_a_finished_episode_spoils_the_mean_and_says_so(tmp_path, threads, capsys):
    arguments = ["--seeds", "0-1", "--max-steps", 1, "--eval-episodes", 2, "--out", tmp_path]
    assert call("sweep", "CartPole-v1", *arguments, *OPTIONS) == 0
    output = capsys.readouterr().out
    assert re.search(r"\nall +2 +- +- +- +-\n", output)
    assert "seed=1: 0 of 2 episodes were finished; 2 were not" in output


def test_all_seeds_failed_leaves_a_table_without_numbers():
    rows = table({(): []})
    assert [row["mean"] for row in rows] == [None]
    assert re.search(r"\nall +0 +- +- +- +-$", as_text(rows))


def test_where_all_seeds_failed_no_curve_is_promised(tmp_path, threads, monkeypatch, capsys):
    monkeypatch.setattr(sweep, "train_seed", lambda job: Outcome(error="it broke"))
    folder = tmp_path / "all"
    assert call("sweep", "CartPole-v1", "--seeds", "0-1", "--out", folder) == 1
    assert capsys.readouterr().out.endswith(f"\nwrote {folder}/results.csv\n")


# What is wrong


WRONG = {
    "no environment": ("", "ENV"),
    "an unknown environment": ("Nope-v0", "'Nope-v0'"),
    "a seed twice": ("CartPole-v1 --seeds 0-3,2", "seeds has 2 twice"),
    "seeds that descend": ("CartPole-v1 --seeds 5-2", "'5-2' descends, expected such as 2-5"),
    "a negative seed": ("CartPole-v1 --seeds=-1", "'-1' is no seed"),
    "seeds without end": ("CartPole-v1 --seeds 0-99999999999", "is 100,000,000,000 seeds, exp"),
    "half a seed": ("CartPole-v1 --seeds 0.5", "'0.5' is no seed"),
    "no seeds": ("CartPole-v1 --seeds=", "'' is no seed"),
    "no jobs": ("CartPole-v1 --jobs 0", "jobs is 0, expected 1 or more"),
    "no steps": ("CartPole-v1 --steps 0", "steps is 0"),
    "no number to stop at": ("CartPole-v1 --stop-at nan", "stop_at is nan"),
    "fewer than no episodes": ("CartPole-v1 --eval-episodes -1", "eval_episodes is -1"),
    "episodes of no steps": ("CartPole-v1 --max-steps 0", "max_steps is 0"),
    "no hyperparameter": ("CartPole-v1 --set speed=1,2", "'speed' is no hyperparameter of PPO"),
    "a misspelt one": ("CartPole-v1 --set gama=1", "'gama' is no .* of PPO, is it gamma?"),
    "no number": ("CartPole-v1 --gamma high", "argument --gamma: 'high' is not a number"),
    "another algorithm's": ("CartPole-v1 --set max_kl=1", "'max_kl' is no .* of PPO, but of TRPO"),
    "the seed as a setting": ("CartPole-v1 --set seed=1,2", "'seed' is no hyperparameter"),
    "no values": ("CartPole-v1 --set gamma", "'gamma', expected NAME=VALUE"),
    "an empty value": ("CartPole-v1 --set gamma=1,", "'gamma=1,', expected NAME=VALUE"),
    "a value twice": ("CartPole-v1 --set gamma=0.9,.9", "gamma has 0.9 twice"),
    "a name twice": ("CartPole-v1 --set gamma=1 gamma=0", "--set has gamma twice"),
    "a value of another kind": (
        "CartPole-v1 --set gamma=high",
        "'high' is no value of it, expected a number",
    ),
    "a flag that is none": (
        "CartPole-v1 --set normalize_advantage=1",
        "--set normalize_advantage: '1' is no value of it, expected yes or no",
    ),
    "a value out of range": ("CartPole-v1 --set gamma=0.9,2", "gamma is 2.0, expected"),
    "a setting that is also given": (
        "CartPole-v1 --set gamma=0.9,1 --gamma 1",
        "gamma is in settings, but also given",
    ),
    "a folder that is a file": ("CartPole-v1 --out {file}", "cannot make the folder {file}"),
    "a folder that is a run": ("CartPole-v1 --out {run}", "{run} holds a run"),
    "a table of something else": ("CartPole-v1 --out {taken}", "{taken}/results.csv is no table"),
    "seeds of other settings": (
        "CartPole-v1 --out {begun} --seeds 3 --gamma 0.5",
        "{begun}/seed=3 holds a run whose gamma is 0.98, expected 0.5",
    ),
    "seeds of another algorithm": (
        "CartPole-v1 --out {begun} --seeds 3 --algo trpo",
        "{begun}/seed=3 holds a run whose algorithm is 'PPO', expected 'TRPO'",
    ),
    "seeds of another length": (
        "CartPole-v1 --out {begun} --seeds 3 --steps 300",
        "{begun}/seed=3 holds a run whose total_timesteps is 100000, expected 300",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_one_clear_line(what, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    places = {name: tmp_path / name for name in ("file", "run", "taken", "begun")}
    places["file"].write_text("")
    places["taken"].mkdir()
    (places["taken"] / "results.csv").write_text("mine")
    model, until = npppo.PPO("CartPole-v1", 3), {"total_timesteps": 100_000, "stop_at": None}
    for folder in (places["run"], places["begun"] / "seed=3"):
        run.begin(folder, model, until)
    before = contents(tmp_path)
    line, said = (text.format(**places) for text in WRONG[what])
    assert call("sweep", *line.split()) == 2
    output, error = capsys.readouterr()
    assert output == ""
    assert re.fullmatch(rf"npppo: .*{said}.*\n", error)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"seeds": []}, "seeds is empty"),
        ({"seeds": [0, True]}, "seeds has True"),
        ({"seeds": [0, -1]}, "seeds has -1"),
        ({"seeds": "0-3"}, "seeds has '0'"),
        ({"seeds": [np.int64(3), 3]}, "seeds has 3 twice"),
        ({"seeds": 5}, "seeds is 5, expected several"),
        ({"settings": {"gamma": []}}, "gamma is empty"),
        ({"settings": {"gamma": 0.9}}, "gamma is 0.9, expected several"),
        ({"settings": {"gamma": [1, 1.0]}}, "gamma has 1 twice"),
        ({"settings": {"net_arch": [[8], (8,)]}}, "net_arch has 8 twice"),
        ({"steps": 1.5}, "steps is 1.5, expected a whole number"),
        ({"steps": "100"}, "steps is '100', expected a whole number"),
        ({"steps": math.inf}, "steps is inf, expected a whole number"),
        ({"steps": 0}, "steps is 0, expected a whole number"),
        ({"algo": "DQN"}, "algo is 'DQN', expected one of"),
        ({"jobs": 2, "executor": ThreadPoolExecutor(1)}, "jobs is 2, but the executor"),
        ({"learning_rate": lambda done: 1e-3}, "learning_rate is a function"),
    ],
)
def test_what_is_wrong_in_python_is_named(arguments, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        npppo.sweep("CartPole-v1", out=tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()


def test_an_environment_that_is_no_id_is_refused(tmp_path):
    """Each run makes its own, in a process that cannot have this one."""
    with pytest.raises(ValueError, match=r"env is <.*CartPole.*>, expected an id"):
        npppo.sweep(gymnasium.make("CartPole-v1"), out=tmp_path / "new")


# Again


def test_steps_as_1e2_and_widths_as_lists_are_the_same_run_again(tmp_path, threads):
    """config.json holds whole numbers, and a setting's values are keys."""
    given = {**QUICK, "settings": {"net_arch": [[4], [2, 3]]}, "steps": 1e2}
    del given["net_arch"]
    first = npppo.sweep("CartPole-v1", [0], tmp_path, **given)
    assert list(first.outcomes) == ["net_arch=4/seed=0", "net_arch=2-3/seed=0"]
    assert run.read_config(tmp_path / "net_arch=4/seed=0")["total_timesteps"] == 100
    assert npppo.sweep("CartPole-v1", [0], tmp_path, **given) == first


class Unused(ThreadPoolExecutor):
    def submit(self, *args):
        pytest.fail("nothing is left to do")


def test_what_is_done_is_not_done_again(tmp_path, threads):
    first = npppo.sweep("CartPole-v1", SEEDS, tmp_path, **QUICK)
    before = contents(tmp_path)
    assert npppo.sweep("CartPole-v1", SEEDS, tmp_path, executor=Unused(), **QUICK) == first
    assert contents(tmp_path) == before
    # more seeds, and another evaluation, of the same runs
    results = npppo.sweep("CartPole-v1", [2, 3], tmp_path, **{**QUICK, "eval_episodes": 2})
    assert list(results.outcomes) == ["seed=2", "seed=3"]
    assert len(results.outcomes["seed=2"].evaluation) == 2
    after = contents(tmp_path)
    kept = [path for path in before if path.name in (run.CHECKPOINT, run.PROGRESS, run.CONFIG)]
    assert len(kept) == 9
    assert {path: after[path] for path in kept} == {path: before[path] for path in kept}


def test_damaged_outcomes_are_made_again(tmp_path, threads):
    first = npppo.sweep("CartPole-v1", [0], tmp_path, **QUICK)
    (tmp_path / "seed=0" / job.OUTCOME).write_text('{"eval_episodes": 3')
    assert npppo.sweep("CartPole-v1", [0], tmp_path, **QUICK) == first
    (tmp_path / "seed=0" / run.CHECKPOINT).unlink()
    assert npppo.sweep("CartPole-v1", [0], tmp_path, **QUICK) == first


def test_one_sweep_at_a_time_has_the_folder(tmp_path, capsys):
    pytest.importorskip("fcntl", reason="no such locks here")
    with run.alone(tmp_path):
        assert call("sweep", "CartPole-v1", "--out", tmp_path) == 2
    assert capsys.readouterr().err == f"npppo: another process is training in {tmp_path}\n"


# Failures


@pytest.fixture
def unlucky_seed_1(monkeypatch, tmp_path):
    """Lets something happen to seed 1 alone; returns the file that says whether it has."""
    key = np.random.SeedSequence(1, spawn_key=(4, 0))  # of the first episodes, as learner.py has it
    monkeypatch.setenv("UNLUCKY_SEED", str(env_seed(key, 2)))
    monkeypatch.setenv("UNLUCK_MARK", str(tmp_path / "mark"))
    return tmp_path / "mark"


def expect_only_seed_1_failed(folder, said, capsys):
    output, error = capsys.readouterr()
    assert error == ""
    assert re.search(rf"^seed=1 failed: {said}$", output, re.MULTILINE)
    assert "1 failed, as said above" in output
    assert re.search(r"\nall +2 ", output)
    for seed in (0, 2):
        assert (folder / f"seed={seed}" / job.OUTCOME).exists()


def unlucky_sweep(folder, *more):
    arguments = ["--seeds", "0-2", "--jobs", 2, "--out", folder, "--eval-episodes", 1]
    return call("sweep", "unlucky:Unlucky-v0", *arguments, *OPTIONS, *more)


def test_a_seed_that_fails_is_reported_and_takes_no_other_with_it(
    unlucky_seed_1, tmp_path, threads, monkeypatch, capsys
):
    monkeypatch.setenv("UNLUCK", "raise")
    assert unlucky_sweep(tmp_path / "out") == 1
    expect_only_seed_1_failed(
        tmp_path / "out", "CustomError: the pole broke since it was old", capsys
    )
    monkeypatch.setenv("UNLUCKY_SEED", "")
    assert unlucky_sweep(tmp_path / "out") == 0
    assert "3 of 3 done, 0 failed" in capsys.readouterr().out


def test_a_seed_whose_process_dies_takes_no_other_with_it(
    unlucky_seed_1, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("UNLUCK", "die")
    assert unlucky_sweep(tmp_path / "out") == 1
    expect_only_seed_1_failed(tmp_path / "out", r"BrokenProcessPool: .*", capsys)


def test_a_seed_whose_process_was_killed_is_done_bit_for_bit(unlucky_seed_1, tmp_path, monkeypatch):
    monkeypatch.setenv("UNLUCK", "die once")
    assert unlucky_sweep(tmp_path / "out") == 0
    assert unlucky_seed_1.exists()
    with ThreadPoolExecutor(1) as executor:
        folder = tmp_path / "undisturbed"
        npppo.sweep("unlucky:Unlucky-v0", SEEDS, folder, executor=executor, **QUICK)
    assert outcomes(tmp_path / "out") == outcomes(folder)


def test_an_executor_that_dies_leaves_what_the_next_one_completes(alone, tmp_path):
    class Dying(ThreadPoolExecutor):
        def submit(self, work, task):
            if task.seed == 2:
                self.shutdown(wait=True)
            return super().submit(work, task)

    results = npppo.sweep("CartPole-v1", SEEDS, tmp_path, executor=Dying(1), **QUICK)
    assert list(results.failed) == ["seed=2"]
    assert "shutdown" in results.failed["seed=2"]
    with ThreadPoolExecutor(1) as executor:
        results = npppo.sweep("CartPole-v1", SEEDS, tmp_path, executor=executor, **QUICK)
    assert not results.failed
    assert outcomes(tmp_path) == alone


# Kills and interruptions


def is_saved(folder):
    return any(folder.glob(f"*/{run.CHECKPOINT}"))


def test_a_killed_sweep_leaves_no_process_and_goes_on_bit_for_bit(tmp_path):
    """Killed when the first has a checkpoint: one seed is done by itself for comparison."""
    folder = tmp_path / "sweep"
    options = [*OPTIONS, "--steps", LONG, "--eval-episodes", 0]
    arguments = ["CartPole-v1", "--seeds", "0-1", "--jobs", 2, "--out", folder, *options]
    process = start("-m", "npppo", "sweep", *arguments)
    wait_for(lambda: is_saved(folder), process)
    process.kill()
    process.communicate()
    assert not (folder / sweep.RESULTS).exists()
    for begun in folder.glob("seed=*"):
        with run.alone(begun, patience=20):  # its process is gone
            before = contents(begun)
    time.sleep(0.2)
    assert contents(begun) == before
    assert call("sweep", *arguments) == 0
    assert call("train", "CartPole-v1", "--seed", 1, "--out", tmp_path / "alone", *options) == 0
    assert outcome(folder / "seed=1") == outcome(tmp_path / "alone")


def test_ctrl_c_stops_after_the_update_and_begins_nothing_more(tmp_path, capsys):
    folder = tmp_path / "sweep"
    arguments = ["--seeds", "0-3", "--jobs", 2, "--out", folder, *OPTIONS, "--steps", 10**9]
    process = start("-m", "npppo", "sweep", "CartPole-v1", *arguments, start_new_session=True)
    wait_for(lambda: is_saved(folder), process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    output, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (130, "")
    assert output.endswith("interrupted: the same command goes on with what is missing\n")
    assert not (folder / sweep.LEASE).exists()
    begun = sorted(path.name for path in folder.iterdir())
    assert begun == ["seed=0", "seed=1"]
    for name in begun:
        model, _ = run.resume(folder / name)
        assert model.updates == len(run.read_progress(folder / name)) > 0


def test_a_second_ctrl_c_does_not_wait(unlucky_seed_1, tmp_path):
    arguments = ["--seeds", "1", "--jobs", 1, "--out", tmp_path / "out", *OPTIONS]
    process = start(
        "-m",
        "npppo",
        "sweep",
        "unlucky:Unlucky-v0",
        *arguments,
        cwd=os.path.dirname(unlucky.__file__),
        start_new_session=True,
        env={**os.environ, "UNLUCK": "hang"},
    )
    wait_for(unlucky_seed_1.exists, process)
    os.killpg(process.pid, signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None  # it waits
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    with run.alone(tmp_path / "out" / "seed=1", patience=20):
        pass


@pytest.mark.parametrize("taken_by", ["nobody", "another"])
def test_a_seed_far_away_stops_when_its_sweep_is_over(taken_by, tmp_path, monkeypatch):
    """What a kill of this process leaves on somebody else's machines."""
    monkeypatch.setattr(sweep, "give_up", lambda job: None)
    jobs = []

    def keep(executor, work, tasks, *_):
        jobs.extend(tasks)
        yield from ((task, Outcome(error="killed")) for task in tasks)

    monkeypatch.setattr(sweep, "on_executor", keep)
    npppo.sweep("CartPole-v1", [0], tmp_path, executor=Unused(), **{**QUICK, "steps": 200_000})
    with ThreadPoolExecutor(1) as executor:
        future = executor.submit(job.train_seed, jobs[0])
        while not is_saved(tmp_path):
            time.sleep(0.01)
        lease = tmp_path / sweep.LEASE
        lease.unlink() if taken_by == "nobody" else lease.write_text("another")
        assert future.result(60).error.startswith("RuntimeError: stopped")
    model, _ = run.resume(tmp_path / "seed=0")
    assert model.updates == len(run.read_progress(tmp_path / "seed=0"))


# The line


def test_the_steps_of_a_run_are_those_of_its_last_whole_row(tmp_path):
    model, until = npppo.PPO("CartPole-v1", 0, **TINY), {"total_timesteps": 500, "stop_at": None}
    place = tmp_path / "run"
    one = job.Job(place, "CartPole-v1", "PPO", 0, {}, until, 0, None, tmp_path / "lease", "")
    assert job.steps_made(one) == 0
    run.begin(one.folder, model, until)
    assert job.steps_made(one) == 0
    run.train(one.folder, model, until, lambda model, row: True)
    assert job.steps_made(one) == model.num_timesteps
    written = (one.folder / run.PROGRESS).read_bytes()
    *_, before = written[: written.rstrip().rindex(b"\n") + 1].splitlines()
    (one.folder / run.PROGRESS).write_bytes(written[:-1])  # the last row is being written
    assert job.steps_made(one) == int(before.split(b",")[1])
    (one.folder / run.PROGRESS).write_bytes(written.splitlines(keepends=True)[0])
    assert job.steps_made(one) == 0
