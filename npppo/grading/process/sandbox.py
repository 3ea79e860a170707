"""The parent's side of the isolation: runs a submission in a process of its own.

    with Sandbox([("my_ppo.py", source)]) as sandbox:
        loaded = sandbox.load(["gae", "relu", "relu_backward"])
        outcomes = sandbox.call([Call("gae", args), Call("relu", (x,), pair=True)])

The student's code never runs here, and none of its objects arrive here: what comes back is bytes
(see `messages`). A result is plain arrays, numbers, texts, lists and tuples, or `Opaque`.

A process's time is the wall clock's without what it had to wait for a processor, where the system
tells that (Linux): on a busy machine a submission gets what it would on an idle one.

The process has its own session, an empty folder, a clean environment and, where the system has
them, limits. Whatever it does ends in an `Outcome`: it may die, hang, or print without end. Then a
new process serves the next call; how often is for the caller to say.

This stops mistakes and casual cheating. The boundary is a container and another user.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ..exercises.exercise import Product, Rng
from . import messages
from .child import Child, Watch, abandon_all
from .codec import Malformed, Opaque, pack
from .messages import Call, Error, Limits, Loaded, Lost, Outcome
from .nursery import START_SECONDS
from .questions import Answer, Questions

__all__ = ["Call", "Error", "Limits", "Loaded", "Opaque", "Outcome", "Sandbox", "abandon_all"]


class Sandbox:
    """One submission. Its process starts at once; `load` waits for it."""

    def __init__(
        self, chunks: Iterable[tuple[str, str | bytes]], limits: Limits | None = None
    ) -> None:
        self.limits = limits or Limits()
        self._chunks = [
            (label, source if isinstance(source, bytes) else source.encode("utf-8", "replace"))
            for label, source in chunks
        ]
        self._names: list[str] = []
        self._held: frozenset[str] = frozenset()
        self._printed = ""
        self._spent = 0.0  # seconds, in calls
        self.seconds = 0.0  # in all
        self._child: Child | None = Child(self.limits)
        self._loaded = False

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process with all that it started, and removes its folder."""
        if self._child is not None:
            self._child.close()
            self._printed = self.output
            self._child, self._loaded = None, False

    @property
    def output(self) -> str:
        """What was printed, all of it after `close`; harmless to show."""
        now = self._child.printed() if self._child is not None else ""
        return (self._printed + now)[: self.limits.output]

    def load(self, names: Sequence[str]) -> Loaded:
        """Runs the submission. `names` are all that may be called or stand in `parts`."""
        self._names = list(names)
        try:
            return self._load()
        except (Lost, Malformed) as lost:
            self.close()
            return Loaded(held=self._held, failure=lost.why)

    def _load(self) -> Loaded:
        if self._loaded:
            self.close()
        child = self._child = self._child or Child(self.limits)
        sizes = [("AS", self.limits.memory), ("FSIZE", self.limits.file), ("CORE", 0)]
        limits = [("CPU", self.limits.cpu_seconds), ("NOFILE", 64), *sizes]
        seconds = self.limits.load_seconds
        child.send("load", child.room, limits, seconds, self._chunks, self._names)
        # What held is said before the submission runs, and so is no claim of the submission's.
        try:
            _, held = child.receive(START_SECONDS, messages.HELD)
        except (Lost, Malformed):  # nor is it to blame
            self.close()
            raise OSError(f"the worker does not start: {child.printed() or 'no output'}") from None
        self._held = frozenset(held)
        watch = Watch(child)
        try:
            message = child.receive(seconds, messages.LOADED, watch=watch)
        except Lost as lost:
            if lost.kind != "timeout":
                raise
            message = child.interrupted(messages.LOADED)
        finally:
            self.seconds += watch.seconds()
        self._loaded = True
        _, defined, errors, endless, refused = message
        files = [label for label, _ in self._chunks]
        return Loaded(
            frozenset(self._names).intersection(defined),
            tuple(map(messages.error_of, errors)),
            tuple((file, line) for file, line in endless if file in files),
            tuple(map(messages.shown, refused)),
            self._held,
            seconds=watch.seconds(),
        )

    def call(self, calls: Sequence[Call], answer: Answer | None = None) -> list[Outcome]:
        """The outcomes, in order. Only the last that is not "not run" can have failed badly.

        `answer(name, args)` is the right result of a part: of a forward function without the
        cache, of a backward one from (dout, *args of its forward). It may raise anything.
        """
        written = [_written(call) for call in calls]
        outcomes: list[Outcome] = []
        stage = "load"
        try:
            if not self._loaded:
                self._load()
            assert self._child is not None
            watch, stage = Watch(self._child), ""
            try:
                self._child.send("calls", written)
                for call in calls:
                    outcomes.append(self._outcome(call, answer, self._child, watch))
            finally:  # while the process is there to tell
                seconds = watch.seconds()
                self._spent += seconds
                self.seconds += seconds
        except (Lost, Malformed) as lost:
            self.close()
            most = min(self.limits.call_seconds, self.limits.total_seconds)
            late = lost.kind == "timeout" and not stage
            why = f"{lost.why}: more than {most:g} s" if late else lost.why
            outcomes.append(Outcome(lost.kind, error=Error("", why), stage=stage))
        return outcomes + [Outcome("not run")] * (len(calls) - len(outcomes))

    def _outcome(self, call: Call, answer: Answer | None, child: Child, watch: Watch) -> Outcome:
        questions = Questions(call, answer)
        limit = min(self.limits.call_seconds, self.limits.total_seconds - self._spent)
        shapes = messages.ASKED, messages.REPLY
        while (message := child.receive(limit, *shapes, watch=watch))[0] == "ask":
            child.send_packed(questions.answered(*message[1:]))
        outcome = messages.outcome_of(message, len(call.args))
        error = outcome.error
        if error and error.type in ("MemoryError", "_ArrayMemoryError") and "memory" in self._held:
            error = replace(error, message=f"more than {self.limits.memory >> 20} MB of memory")
        return replace(outcome, error=error, unanswered=frozenset(questions.unanswered))

    def start_over(self) -> None:
        """Give all calls together their time again."""
        self._spent = 0.0


def _written(call: Call) -> tuple[Any, ...]:
    """The call as `worker.Worker.call` takes it."""
    content = pack(([_argument(x) for x in call.args], call.dout), 1 << 31, strict=True)
    return call.name, content, call.pair, call.parts, call.twice


def _argument(x: Any) -> tuple[str, Any]:
    if isinstance(x, Rng):
        return "rng", x.seed
    return ("product", x.matrix) if isinstance(x, Product) else ("value", x)
