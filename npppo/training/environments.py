"""Environments: several of one id side by side, or those that somebody gives."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from .blame import is_others, one_line

if TYPE_CHECKING:
    from gymnasium import Env
    from gymnasium.vector import VectorEnv

    Environment = Env[Any, Any] | VectorEnv[Any, Any, Any]

GYMNASIUMS = {"auto": None, "native": "vector_entry_point"}  # where it has another name


def make_env(env_id: str, n_envs: int, vectorization: str = "auto") -> VectorEnv[Any, Any, Any]:
    """`n_envs` environments of a registered id; ValueError with gymnasium's own advice.

    sync     one after the other in this process
    async    each in a process of its own: the same episodes as sync, bit for bit, and faster where
             a step takes much longer than the way to another process and back, and cores are free
    native   all at once, by the vector environment that the id brings along. Its random numbers
             are others, so the same seed gives other episodes than sync
    auto     native where there is one, else sync

    All three start the next episode as the rollout knows it, and say so in their metadata.
    """
    import gymnasium

    mode = GYMNASIUMS.get(vectorization, vectorization)
    by = "" if vectorization == "auto" else f" by vectorization {vectorization!r}"
    try:
        with _ctrl_c_is_ours():
            return gymnasium.make_vec(env_id, num_envs=n_envs, vectorization_mode=mode)
    except Exception as error:
        if is_others(error) and not isinstance(error, (gymnasium.error.Error, ModuleNotFoundError)):
            raise
        raise ValueError(f"cannot make the environment {env_id!r}{by}: {one_line(error)}") from None


@contextmanager
def _ctrl_c_is_ours() -> Iterator[None]:
    """Processes that begin here do not hear of Ctrl-C, which a terminal sends to all of them.

    It asks for a stop after the update, for which they are needed.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows, where they are not children of a fork
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def closed(env: VectorEnv[Any, Any, Any]) -> Iterator[None]:
    """Close it afterwards."""
    from gymnasium.vector import AsyncVectorEnv

    base = env.unwrapped
    try:
        yield
    except BaseException:
        # after half a step gymnasium would wait for answers that it has had already
        if isinstance(base, AsyncVectorEnv):
            for process in base.processes:
                process.terminate()
                process.join()
            base.closed = True
        raise
    finally:
        if not base.closed:
            env.close()


def vectorized(env: Any) -> VectorEnv[Any, Any, Any]:
    """A vector environment as it is; a single environment as a vector of one."""
    from gymnasium import Env
    from gymnasium.vector import SyncVectorEnv, VectorEnv

    if isinstance(env, Env):
        return SyncVectorEnv([partial(_itself, env)])
    if not isinstance(env, VectorEnv):
        raise ValueError(
            f"env is {env!r}, expected the id of an environment, a gymnasium environment "
            "or a gymnasium vector environment"
        )
    return env


def _itself(env: Any) -> Any:
    return env
