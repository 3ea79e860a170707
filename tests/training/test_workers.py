"""Work in other processes: each result once, whatever happens to the processes."""

import os
import signal
import threading
from concurrent.futures import BrokenExecutor, CancelledError, ThreadPoolExecutor
from contextlib import closing

import pytest
from test_cli import start

from npppo.training.threads import VARIABLES
from npppo.training.workers import on_executor, on_this_machine, processes


def nothing():
    pass


def root(number):
    return number**0.5 if number >= 0 else int("no number")


def test_each_task_comes_with_its_result_or_its_exception():
    with ThreadPoolExecutor(2) as executor:
        results = dict(on_executor(executor, root, [4.0, -1.0, 9.0], nothing, nothing))
    assert isinstance(results.pop(-1.0), ValueError)
    assert results == {4.0: 2.0, 9.0: 3.0}


def test_an_executor_that_is_dead_from_the_start_is_an_exception_for_each():
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    results = dict(on_executor(executor, root, [1.0, 4.0], nothing, nothing))
    assert set(results) == {1.0, 4.0}
    assert all(isinstance(result, RuntimeError) for result in results.values())


def test_what_others_cancel_is_an_exception():
    release = threading.Event()
    with ThreadPoolExecutor(1) as executor:

        def watch():
            executor.shutdown(wait=False, cancel_futures=True)
            release.set()

        work = {0: lambda: release.wait(60), 1: nothing}
        results = dict(on_executor(executor, lambda n: work[n](), [0, 1], watch, nothing))
    assert results[0] is True
    assert isinstance(results[1], CancelledError)


def test_whoever_stops_listening_has_nothing_more_begun():
    begun, stopped, release = [], [], threading.Event()

    def work(number):
        begun.append(number)
        return number or release.wait(60)

    def stop():
        stopped.append(True)
        release.set()

    with ThreadPoolExecutor(1) as executor:
        listening = on_executor(executor, work, [1, 0, 2, 3], nothing, stop)
        with closing(listening):
            assert next(listening) == (1, 1)
    assert stopped == [True]
    assert {*begun} <= {1, 0, 2}  # the thread may have taken the next one already


def test_a_process_that_dies_costs_the_others_nothing():
    """Some signals are ignored, one is not, and the work is to raise them."""
    others = [signal.SIGURG, signal.SIGCHLD, signal.SIGCONT]
    tasks = [others[0], signal.SIGKILL, *others[1:]]
    begun = {others[1], signal.SIGKILL}.__contains__
    results = dict(on_this_machine(2, signal.raise_signal, tasks, nothing, nothing, begun))
    assert isinstance(results.pop(signal.SIGKILL), BrokenExecutor)
    assert results == dict.fromkeys(others)


def test_each_process_has_one_blas_thread_from_its_birth(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with processes(1) as executor:
        assert list(executor.map(os.getenv, VARIABLES)) == ["1", "1", "1"]
    # which comes too late where the module with the work has imported NumPy before
    script = "import sys, npppo.training.workers; sys.exit('numpy' in sys.modules)"
    process = start("-c", script)
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no such signals here")
def test_processes_never_hear_of_ctrl_c():
    with processes(1) as executor:
        pid = executor.submit(os.getpid).result()
        os.kill(pid, signal.SIGINT)
        assert executor.submit(os.getpid).result() == pid
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()


def test_processes_end_with_their_parent_however_it_ends():
    """They have its output, which is closed when the last of them is gone."""
    script = """
import os, time
from npppo.training.workers import processes

if __name__ == "__main__":
    with processes(1) as executor:
        print(executor.submit(os.getpid).result(), flush=True)
        executor.submit(time.sleep, 600).result()
"""
    process = start("-c", script)
    worker = int(process.stdout.readline())
    process.kill()
    process.communicate(timeout=60)
    assert worker != process.pid
