"""Environments whose right answers are known: some play a script, some have a known best policy."""

import copy
import pickle
from typing import NamedTuple

import cloudpickle
import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import batch_space

from npppo.agents.agent import Agent, Architecture
from npppo.agents.rollout import Player

NEXT_STEP, SAME_STEP = AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP
MODES = [NEXT_STEP, SAME_STEP]

# Gymnasium promises a reward of 0 in a row that is no transition. Whoever counts it must be seen.
IDLE_REWARD = 1000.0


class Episode(NamedTuple):
    observations: np.ndarray  # (L + 1, D): one for each step, and the final one
    rewards: np.ndarray  # (L,)
    terminated: bool
    truncated: bool


class Transition(NamedTuple):
    """What a row of a batch should say; where not `valid` only the observation is known."""

    observation: np.ndarray  # (D,)
    reward: float
    successor: np.ndarray  # (D,)
    terminated: bool
    truncated: bool
    valid: bool


TERMINATED, TRUNCATED, BOTH = (True, False), (False, True), (True, True)
ENDS = [  # of each environment: the length of each episode and how it ends
    [(3, TERMINATED), (1, TRUNCATED), (4, BOTH), (2, TERMINATED)],
    [(1, TERMINATED), (1, TRUNCATED), (5, TRUNCATED), (2, TRUNCATED)],
    [(7, TERMINATED), (1, BOTH), (3, TRUNCATED)],
]


def scripts(ends=ENDS, D=3, seed=5):
    """Episodes of these lengths and ends; no two observations are the same.

    Rewards are multiples of 1/8, so that a sum of them is exact in every dtype and order.
    """
    rng = np.random.default_rng(seed)
    return [
        [
            Episode(rng.normal(size=(L + 1, D)), rng.integers(-16, 17, size=L) / 8, *end)
            for L, end in script
        ]
        for script in ends
    ]


def transitions(script, mode, count):
    """The first `count` rows that an environment with this script should give."""
    rows = []
    while len(rows) < count:
        for observations, rewards, *end in script:
            last = len(rewards) - 1
            for t, reward in enumerate(rewards):
                flags = end if t == last else (False, False)
                rows.append(
                    Transition(observations[t], reward, observations[t + 1], *flags, valid=True)
                )
            if mode is NEXT_STEP:
                final = observations[-1]
                rows.append(Transition(final, IDLE_REWARD, final, False, False, valid=False))
    return rows[:count]


class Scripted(VectorEnv):
    """Environment e plays the episodes `scripts[e]` over and over, whatever seed and actions.

    With `reuses_arrays` every step writes into the arrays that the last one returned.
    """

    def __init__(self, scripts, mode, action_space=None, reuses_arrays=False):
        self.scripts = scripts
        self.metadata = {"autoreset_mode": mode}
        self.num_envs = len(scripts)
        D = scripts[0][0].observations.shape[1]
        self.single_observation_space = Box(-np.inf, np.inf, (D,), np.float64)
        self.single_action_space = action_space or Discrete(3)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.received = []  # the actions of each step
        self.resets = 0
        self._reuses_arrays = reuses_arrays
        self._returned = {}

    def reset(self, *, seed=None, options=None):
        self.resets += 1
        self._at = [(0, 0)] * self.num_envs  # (episode, step)
        return self._out("observations", self._observations()), {}

    def step(self, actions):
        self.received.append(np.array(actions))
        rewards = np.zeros(self.num_envs)
        ends = np.zeros((2, self.num_envs), bool)
        final_obs = np.full(self.num_envs, None)
        for e, script in enumerate(self.scripts):
            number, step = self._at[e]
            episode = script[number]
            if step == len(episode.rewards):  # NEXT_STEP: the row between two episodes
                rewards[e] = IDLE_REWARD
                self._at[e] = (number + 1) % len(script), 0
                continue
            rewards[e] = episode.rewards[step]
            self._at[e] = number, step + 1
            if step + 1 == len(episode.rewards):
                ends[:, e] = episode.terminated, episode.truncated
                if self.metadata["autoreset_mode"] is SAME_STEP:
                    final_obs[e] = self._out(f"final {e}", episode.observations[-1].copy())
                    self._at[e] = (number + 1) % len(script), 0
        info = {}
        if self.metadata["autoreset_mode"] is SAME_STEP and ends.any():
            info = {"final_obs": final_obs, "_final_obs": ends.any(axis=0)}
        return (
            self._out("observations", self._observations()),
            self._out("rewards", rewards),
            self._out("terminated", ends[0]),
            self._out("truncated", ends[1]),
            info,
        )

    def _observations(self):
        pairs = zip(self.scripts, self._at, strict=True)
        return np.array([script[number].observations[step] for script, (number, step) in pairs])

    def _out(self, name, array):
        if not self._reuses_arrays:
            return array
        self._returned.setdefault(name, array)[...] = array
        return self._returned[name]


class OneStep(VectorEnv):
    """Episodes of one step: an observation is drawn, `reward(observations, actions)` is paid."""

    def __init__(self, reward, observation_space, action_space, num_envs=16):
        self.reward = reward
        self.metadata = {"autoreset_mode": SAME_STEP}
        self.num_envs = num_envs
        self.single_observation_space = observation_space
        self.single_action_space = action_space
        self.observation_space = batch_space(observation_space, num_envs)
        self.action_space = batch_space(action_space, num_envs)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._observations = self._draw()
        return self._observations, {}

    def step(self, actions):
        rewards = self.reward(self._observations, actions)
        final_obs = np.empty(self.num_envs, object)
        final_obs[:] = list(self._observations)
        self._observations = self._draw()
        over = np.ones(self.num_envs, bool)
        info = {"final_obs": final_obs, "_final_obs": over}
        return self._observations, rewards, over, np.zeros_like(over), info

    def _draw(self):
        space = self.single_observation_space
        if isinstance(space, Discrete):
            return self.np_random.integers(space.n, size=self.num_envs) + space.start
        return self.np_random.uniform(space.low, space.high, (self.num_envs, *space.shape))


class Walk(gymnasium.Env):
    """A random walk that the action pushes; ends at the borders, or is cut after 12 steps.

    Discrete actions are -1, 0 and 1. What it does depends on the seed; unless it `repeats`, also
    on how often any Walk was reset before.
    """

    resets = 0

    def __init__(self, continuous=False, repeats=True, length=12):
        self.observation_space = Box(-np.inf, np.inf, (2,), np.float64)
        self.action_space = (
            Box(-0.5, 0.5, (1, 2), np.float32) if continuous else Discrete(3, start=-1)
        )
        self.repeats = repeats
        self.length = length

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        Walk.resets += 1
        self.steps = 0
        self.x = self.np_random.normal(scale=0.1, size=2)
        if not self.repeats:
            self.x += Walk.resets / 1024
        return self.x.copy(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        push = np.asarray(action).reshape(-1) / 8
        self.x = self.x + push + self.np_random.normal(scale=0.2, size=2)
        self.steps += 1
        over = bool((abs(self.x) > 1).any())
        return self.x.copy(), -float(abs(self.x).sum()), over, self.steps == self.length, {}


class FreshWalk(gymnasium.utils.EzPickle, Walk):
    """A copy of it is a new one, which nobody has reset, as of gymnasium's MuJoCo and Box2D."""

    def __init__(self):
        gymnasium.utils.EzPickle.__init__(self)
        Walk.__init__(self)


class Corridor(gymnasium.Env):
    """Rooms 5 to 9, left or right, both ends pay; observations are plain Python ints."""

    def __init__(self):
        self.observation_space = Discrete(5, start=5)
        self.action_space = Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.room = int(self.np_random.integers(6, 9))
        return self.room, {}

    def step(self, action):
        self.room += 1 if action == 1 else -1
        return self.room, {5: 0.5, 9: 1.0}.get(self.room, 0.0), self.room in (5, 9), False, {}


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda it: pickle.loads(pickle.dumps(it)),
    "the oldest pickle": lambda it: pickle.loads(pickle.dumps(it, 0)),
    "cloudpickle": lambda it: cloudpickle.loads(cloudpickle.dumps(it)),
}


def sync(make, mode, num_envs=2):
    return SyncVectorEnv([make] * num_envs, autoreset_mode=mode)


def agent_for(player, dtype=np.float64, **architecture):
    """An agent of few parameters, all of order one, for the player's environment."""
    spaces = player.spaces
    sizes = spaces.observation_size, spaces.actions, spaces.head
    architecture = Architecture(*sizes, **{"net_arch": (8,), **architecture})
    parameters = np.random.default_rng(1).normal(scale=0.5, size=architecture.size())
    return Agent(architecture, parameters.astype(dtype))


def play(env, steps, batches=1, dtype=np.float64, **architecture):
    """(agent, player, [batch, ...])"""
    player = Player(env)
    agent = agent_for(player, dtype, **architecture)
    player.reset(0)
    rng = np.random.default_rng(2)
    # as the learner plays: what is not finite is found by name, and OpenBLAS's float32 product with
    # a vector may call numbers invalid that it read beyond the vector's end and does not use
    with np.errstate(over="ignore", invalid="ignore"):
        return agent, player, [player.play(agent, steps, rng) for _ in range(batches)]
