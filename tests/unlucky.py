"""An environment that goes wrong where the process's variables say, for whom and how."""

import os
import signal
import time
from pathlib import Path

import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv


class CustomError(Exception):
    """Cannot be unpickled, as exceptions with arguments of their own often cannot."""

    def __init__(self, what, why):
        super().__init__(f"{what}\nsince {why}")


class Unlucky(CartPoleEnv):
    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self.unlucky = str(seed) == os.environ.get("UNLUCKY_SEED")
            self.steps = 0
        return super().reset(seed=seed, options=options)

    def step(self, action):
        self.steps += 1
        if self.unlucky and self.steps > 50:
            happen(os.environ["UNLUCK"], Path(os.environ.get("UNLUCK_MARK", "")))
        return super().step(action)


def happen(unluck, mark):
    if unluck == "raise":
        raise CustomError("the pole broke", "it was old")
    if unluck == "die" or (unluck == "die once" and not mark.exists()):
        mark.write_text("died")
        os.kill(os.getpid(), signal.SIGKILL)
    if unluck == "hang":
        mark.write_text("hangs")
        time.sleep(600)


gymnasium.register("Unlucky-v0", Unlucky, max_episode_steps=500)
