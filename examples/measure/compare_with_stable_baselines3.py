"""One update of A2C and of TRPO beside Stable-Baselines3's and sb3-contrib's, in float64.

    python examples/measure/compare_with_stable_baselines3.py

Both get the same weights and the same batch. What is left of a difference has a name: it goes where
the other side is told npppo's choice. Exit code 1 where it does not.
"""

import functools
import sys
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from npppo.agents.agent import Agent, Architecture
from npppo.agents.rollout import Batch
from npppo.algorithms.a2c import A2CConfig
from npppo.algorithms.a2c import update as a2c_update
from npppo.algorithms.batches import Rows, rows_of
from npppo.algorithms.descent import State
from npppo.algorithms.trpo import TRPOConfig, trust_region_step

try:
    import sb3_contrib.trpo.trpo as contrib
    import torch
    from stable_baselines3 import A2C
    from stable_baselines3.common.policies import BasePolicy
    from stable_baselines3.common.type_aliases import RolloutBufferSamples
except ImportError:
    print("This comparison needs both: pip install stable-baselines3 sb3-contrib")
    sys.exit(2)

BAR = 1e-9
WIDTHS = (16, 16)
LR = 7e-4
clip_grad_norm = torch.nn.utils.clip_grad_norm_


def make_batch(agent: Agent, T: int, E: int) -> Batch:
    rng = np.random.default_rng(1)
    observations = rng.normal(size=(T + 1, E, 4))
    rows = observations[:T].reshape(T * E, 4)
    actions = rng.integers(2, size=T * E)
    (log_probs, _, values), cache = agent.evaluate(rows, actions)
    return Batch(
        observations[:T],
        actions.reshape(T, E),
        log_probs.reshape(T, E),
        (cache.distribution[0].reshape(T, E, 2),),
        values.reshape(T, E),
        agent.values(observations[1:].reshape(T * E, 4)).reshape(T, E),
        rng.normal(size=(T, E)),
        rng.random((T, E)) < 0.1,
        np.zeros((T, E), bool),
        np.ones((T, E), bool),
        observations[1:],
        np.zeros(E, bool),
    )


class OneBatch:
    """A rollout buffer that holds these rows, for both sides the same."""

    def __init__(self, rows: Rows) -> None:
        self.values, self.returns = rows.old_values, rows.targets
        actions = rows.actions[:, None].astype(float)  # (N, 1)
        columns = (rows.old_values, rows.old_log_prob, rows.advantages, rows.targets)
        arrays = (rows.observations, actions, *columns)
        self.samples = RolloutBufferSamples(*map(torch.tensor, arrays))

    def get(self, batch_size: int | None = None) -> Any:
        yield self.samples


def other_side(kind: Any, agent: Agent, rows: Rows, **settings: Any) -> Any:
    """Their model with the agent's weights, in float64."""
    env = gymnasium.make("CartPole-v1")
    model = kind("MlpPolicy", env, device="cpu", policy_kwargs={"net_arch": [*WIDTHS]}, **settings)
    BasePolicy.extract_features = lambda self, observations, *args: observations  # no float32
    model.policy.double()
    for (W, b), module in zip(
        agent.policy_layers + agent.value_layers, modules(model), strict=True
    ):
        module.weight.data, module.bias.data = torch.tensor(W.T.copy()), torch.tensor(b.copy())
    model.rollout_buffer = OneBatch(rows)
    model._update_learning_rate = lambda optimizers: None
    model.set_logger(type("Quiet", (), {"record": lambda *args, **kwargs: None})())
    return model


def modules(model: Any) -> list[Any]:
    extractor, policy = model.policy.mlp_extractor, model.policy
    return [
        *(extractor.policy_net[0], extractor.policy_net[2], policy.action_net),
        *(extractor.value_net[0], extractor.value_net[2], policy.value_net),
    ]


def difference(agent: Agent, model: Any, layers: int) -> float:
    """The largest of a parameter, in the first `layers` layers."""
    pairs = list(zip(agent.policy_layers + agent.value_layers, modules(model), strict=True))
    return max(
        max(abs(W - m.weight.data.numpy().T).max(), abs(b - m.bias.data.numpy()).max())
        for (W, b), m in pairs[:layers]
    )


def as_npppo_clips(parameters: Any, max_norm: float) -> Any:
    """max / norm, where PyTorch has max / (norm + 1e-6)."""
    parameters = list(parameters)
    norm = torch.sqrt(sum((p.grad**2).sum() for p in parameters))
    for p in parameters:
        p.grad *= min(1.0, float(max_norm / norm))
    return norm


def a2c(start: Agent, clip: Callable[..., Any]) -> float:
    """Five updates from one batch; their value loss has no ½, which vf_coef makes up for."""
    agent = Agent(start.architecture, start.parameters.copy())
    batch = make_batch(agent, 5, 8)
    config = A2CConfig(n_envs=8, n_steps=5, ent_coef=0.01, vf_coef=1.0)
    rows = rows_of(batch, config.gamma, config.gae_lambda)
    model = other_side(A2C, agent, rows, ent_coef=0.01, vf_coef=0.5)
    model.policy.optimizer = torch.optim.RMSprop(model.policy.parameters(), LR, 0.99, 1e-5)
    torch.nn.utils.clip_grad_norm_ = clip
    state = State(np.zeros_like(agent.parameters), np.zeros_like(agent.parameters))
    for _ in range(5):
        model.train()
        a2c_update(agent, state, batch, config, LR, np.random.default_rng(0))
    torch.nn.utils.clip_grad_norm_ = clip_grad_norm
    return difference(agent, model, 6)


def trpo(start: Agent, **solver: float) -> float:
    """The policy's step. Their sample std of the advantages drops out of it."""
    agent = Agent(start.architecture, start.parameters.copy())
    batch = make_batch(agent, 64, 8)
    config = TRPOConfig(n_envs=8, n_steps=64)
    rows = rows_of(batch, config.gamma, config.gae_lambda)
    model = other_side(contrib.TRPO, agent, rows, n_critic_updates=1)
    usual = contrib.conjugate_gradient_solver
    contrib.conjugate_gradient_solver = functools.partial(usual, **solver)
    model.train()
    contrib.conjugate_gradient_solver = usual
    trust_region_step(agent, rows, config)
    return difference(agent, model, 3)


def main() -> int:
    architecture = Architecture(4, 2, net_arch=WIDTHS)
    parameters = np.random.default_rng(0).normal(scale=0.3, size=architecture.size())  # (P,)
    start = Agent(architecture, parameters)
    torch.manual_seed(0)
    results = {
        "A2C, the gradient scaled by max / norm": a2c(start, as_npppo_clips),
        "A2C as it is, max / (norm + 1e-6)": a2c(start, clip_grad_norm),
        "TRPO, the conjugate gradient to the end": trpo(start, residual_tol=1e-40),
        "TRPO as it is, stopped at a residual of 1e-5": trpo(start),
    }
    print("Largest difference of a parameter after the update")
    for name, largest in results.items():
        print(f"    {name:46} {largest:.1e}")
    told = [results[name] for name in results if "as it is" not in name]
    print(f"The bar is {BAR} where a choice was told.")
    return 0 if max(told) <= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
