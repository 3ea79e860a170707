"""Processes that work for another one: quick to begin, deaf to Ctrl-C, and gone when it is gone.

They are spawned, not forked: a fork of a process with threads, as BLAS has them, may hang. This
file imports no NumPy, so that the number of BLAS threads is chosen before a process has it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from multiprocessing import active_children, connection, get_context, parent_process
from typing import TypeVar

from .threads import one_from_the_start

Task = TypeVar("Task")
Result = TypeVar("Result")
Finished = Generator[tuple[Task, Result | BaseException], None, None]
Call = Callable[[], None]

PAUSE = 0.5  # seconds between two looks


def on_executor(
    executor: Executor,
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    watch: Call,
    stop: Call,
) -> Finished[Task, Result]:
    """Each task with its result, or with the exception of the executor, as soon as it is there.

    `watch` is called now and then. Where this ends early, as by Ctrl-C, nothing more is begun, and
    `stop` is called for the sake of what is.
    """
    with interrupts_held():
        futures = {_submit(executor, work, task): task for task in tasks}
    waiting = set(futures)
    try:
        while waiting:
            wait(waiting, PAUSE, FIRST_COMPLETED)
            done = {future for future in waiting if future.done()}  # also if cancelled by others
            waiting -= done
            for future in done:
                error = CancelledError() if future.cancelled() else future.exception()
                yield futures[future], future.result() if error is None else error
            watch()
    except BaseException:
        stop()
        for future in waiting:
            future.cancel()
        raise


def _submit(executor: Executor, work: Callable[[Task], Result], task: Task) -> Future[Result]:
    try:
        return executor.submit(work, task)
    except Exception as error:  # it died before it had all of them
        future: Future[Result] = Future()
        future.set_exception(error)
        return future


def on_this_machine(
    number: int,
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    watch: Call,
    stop: Call,
    begun: Callable[[Task], bool],
) -> Finished[Task, Result]:
    """The same in so many processes.

    One that dies takes the others with it. What had `begun` is then done again after all the rest,
    by itself: whatever dies there as well has nobody else to blame.
    """
    waiting, suspects = list(tasks), []
    while waiting:
        died = []
        with processes(min(number, len(waiting))) as executor:
            for task, result in on_executor(executor, work, waiting, watch, stop):
                if isinstance(result, BrokenExecutor):
                    died.append(task)
                else:
                    yield task, result
        suspected = [task for task in died if begun(task)] or died
        suspects += suspected
        waiting = [task for task in died if task not in suspected]
    for task in suspects:
        with processes(1) as executor:
            yield from on_executor(executor, work, [task], watch, stop)


@contextmanager
def processes(number: int) -> Iterator[Executor]:
    """An executor of so many processes.

    At the end it waits for what they are doing, and begins nothing more; Ctrl-C then ends them.
    """
    others = active_children()
    executor = ProcessPoolExecutor(number, get_context("spawn"), initializer=begin)
    try:
        yield executor
    finally:
        try:
            executor.shutdown(cancel_futures=True)
        except KeyboardInterrupt:
            for child in active_children():
                if child not in others:
                    child.kill()
            raise


def begin() -> None:
    """What each process does first."""
    one_from_the_start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the parent to say what it means
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """The system closes the parent's end of a pipe, however the parent ends."""
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Ctrl-C waits until the end, and processes that are begun meanwhile never hear of it.

    They could not ignore it themselves before they have imported what tells them to.
    """
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
