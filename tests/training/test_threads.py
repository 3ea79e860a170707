"""How many threads NumPy's BLAS has, during and after."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import npppo
from npppo.training import threads
from npppo.training.evaluate import evaluate
from npppo.training.threads import VARIABLES, one_blas_thread

TINY = {"n_envs": 2, "n_steps": 16, "batch_size": 16, "n_epochs": 1, "net_arch": (4,)}


@pytest.fixture(autouse=True)
def undecided(monkeypatch):
    """The environment says nothing."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def blas(monkeypatch):
    """A BLAS that has four threads."""
    setting = [4]
    monkeypatch.setattr(
        threads, "_openblas", lambda: (lambda: setting[-1], lambda n: setting.append(n))
    )
    return setting


def test_one_thread_inside_and_as_many_as_before_afterwards(blas):
    with one_blas_thread():
        assert blas[-1] == 1
        with one_blas_thread():
            assert blas[-1] == 1
        assert blas[-1] == 1
    assert blas == [4, 1, 4]


def test_also_after_an_exception(blas):
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), one_blas_thread():
            raise KeyboardInterrupt
    assert blas == [4, 1, 4, 1, 4]


def test_of_several_at_a_time_the_last_one_sets_it_back(blas):
    """The first to come is the first to go."""
    second_is_in, first_is_out = threading.Event(), threading.Event()

    def second():
        with one_blas_thread():
            second_is_in.set()
            assert first_is_out.wait(60)
            return blas[-1]

    with ThreadPoolExecutor() as pool:
        with one_blas_thread():
            there = pool.submit(second)
            assert second_is_in.wait(60)
        first_is_out.set()
        assert there.result() == 1
    assert blas == [4, 1, 4]


@pytest.mark.parametrize(
    ("given", "inside"),
    [
        ({}, 1),
        ({"OPENBLAS_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "2"}, 2),
        ({"OPENBLAS_NUM_THREADS": "3", "OMP_NUM_THREADS": "2"}, 3),
        ({"OPENBLAS_NUM_THREADS": "", "OMP_NUM_THREADS": "2"}, 2),
        ({"OMP_NUM_THREADS": "2,3"}, 4),  # not understood: left alone
        ({"OMP_NUM_THREADS": "0"}, 4),
    ],
)
def test_an_environment_variable_has_decided(given, inside, blas, monkeypatch):
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with one_blas_thread():
        assert blas[-1] == inside
    assert blas[-1] == 4


def test_another_blas_is_left_alone(monkeypatch):
    monkeypatch.setattr(threads, "_openblas", lambda: None)
    with one_blas_thread():
        pass


@pytest.mark.parametrize("library", ["_ctypes", "no_such_module"])
def test_a_numpy_without_openblas_is_recognised(library, monkeypatch):
    threads._openblas.cache_clear()
    monkeypatch.setattr(threads, "NUMPYS", library)
    assert threads._openblas() is None
    threads._openblas.cache_clear()


def test_training_and_evaluating_have_one_thread_of_numpys_own_openblas():
    if threads._openblas() is None:
        pytest.skip("this NumPy has another BLAS, or hides it")
    get, put = threads._openblas()
    before, seen = get(), []
    put(2)
    try:
        model = npppo.PPO("CartPole-v1", 0, **TINY).learn(64, lambda *_: seen.append(get()))
        act = model.act
        model.act = lambda *args: (seen.append(get()), act(*args))[1]
        evaluate(model, 1)
        assert len(seen) > 3 and set(seen) == {1}
        with pytest.raises(ZeroDivisionError):
            model.learn(64, lambda *_: 1 / 0)
        with ThreadPoolExecutor() as pool:
            models = [npppo.PPO("CartPole-v1", seed, **TINY) for seed in range(4)]
            list(pool.map(lambda model: model.learn(64), models))
        assert get() == 2
    finally:
        put(before)
