"""09 · The trust region: more return for the same KL, and a line search that refuses.

python examples/09_trust_region.py [--seed 0] [--runs 20] [--figure FILE]
"""

from dataclasses import replace

import numpy as np
from chapter import interval, run

import npppo
from npppo.agents.agent import Agent
from npppo.algorithms.batches import rows_of
from npppo.algorithms.trpo import trust_region_step
from npppo.formulas.returns import normalize_advantages
from npppo.formulas.surrogates import surrogate_loss, surrogate_loss_backward

# %% [markdown]
# If steps are measured in behaviour, then the best direction is another one as well. Of all steps d
# with ½ dᵀF d ≤ δ the one that raises the surrogate most is along F⁻¹ g and not along the gradient
# g: it goes less far where the policy reacts strongly. (F is that of 07, and as TRPO does a damping
# is added to its diagonal, 0.1 if not said otherwise.) To compare the two nothing else may differ:
# the same policy on CartPole, the same batch, and steps as long as a mean KL(old ‖ new) of δ takes.

# %%
STAGES, DELTA = (0, 8_000), 0.03  # steps that the policy was trained before; the KL of a step
DAMPINGS = (0.1, 0.01, 0.001)  # at which the line search is tried, and with which δ
LONGER = (0.01, 0.03, 0.1, 1.0)
TINY = 1e-5  # a δ so small that the line search takes all of the move: it is along F⁻¹ g


def trained(seed, steps):
    """A model, its agent in float64 with P parameters, and the N rows of a batch that it plays."""
    model = npppo.TRPO("CartPole-v1", seed=seed, n_envs=32, n_steps=64)
    model = model.learn(steps) if steps else model
    model.agent = Agent(model.agent.architecture, model.agent.parameters.astype(float))
    model.player.reset(seed)
    batch = model.player.play(model.agent, 64, np.random.default_rng(seed))
    return model, rows_of(batch, model.config.gamma, model.config.gae_lambda)


def judge(agent, rows, parameters):
    """The surrogate (0 at the old policy) and the mean KL at other parameters (P,)."""
    new = Agent(agent.architecture, parameters).policy(rows.observations)
    (log_prob, _), _ = agent.head.evaluate(*new, rows.actions)  # (N,)
    loss, _ = surrogate_loss(log_prob, rows.old_log_prob, normalize_advantages(rows.advantages))
    kl, _ = agent.head.kl(*rows.old_distribution, *new)  # (N,)
    return -float(loss), float(kl.mean())


def as_far_as_delta(agent, rows, direction):
    """The parameters (P,) along a direction where the mean KL is DELTA."""
    for _ in range(8):  # the KL grows about as the square of the length
        _, kl = judge(agent, rows, agent.parameters + direction)
        direction = direction * (DELTA / kl) ** 0.5
    return agent.parameters + direction


def plain(agent, rows):
    """The direction (P,) down the gradient of the surrogate loss."""
    (log_prob, entropy, _), cache = agent.evaluate(rows.observations, rows.actions)
    advantages = normalize_advantages(rows.advantages)  # (N,)
    _, loss_cache = surrogate_loss(log_prob, rows.old_log_prob, advantages)
    dlog_prob = surrogate_loss_backward(1.0, loss_cache)  # (N,)
    return -agent.backward(dlog_prob, 0 * entropy, 0 * log_prob, cache)


def trpo(agent, rows, config, **changes):
    """The move (P,) that TRPO makes; 0 if its line search has refused."""
    moved = Agent(agent.architecture, agent.parameters.copy())
    trust_region_step(moved, rows, replace(config, **changes))
    return moved.parameters - agent.parameters


# %% [markdown]
# ½ dᵀF d is a model of the KL, good near the old policy. So TRPO tries the step, and takes it only
# if the surrogate has really gained and the real KL is within δ. With a single try it takes the
# whole step or none, and then the policy is what it was, bit for bit. The damping shortens the step
# where the model sees no curvature: with little of it most tries are refused.


# %%
def mean_return(model, parameters):
    """Of 32 episodes, whose starts and whose luck are the same for all parameters (P,)."""
    model.agent.parameters = parameters
    return np.mean(npppo.evaluate(model, episodes=32, deterministic=False), axis=0)[0]


def measure(seed, runs):
    surrogate, gained = np.empty((2, runs, len(STAGES), 2))  # [..., 0] along F⁻¹ g, 1 along g
    refused = np.empty((runs, len(DAMPINGS), len(LONGER)))  # 1 if it was, else 0
    for r, s in np.ndindex(runs, len(STAGES)):
        model, rows = trained(seed + r, STAGES[s])
        agent, config, old = model.agent, model.config, model.agent.parameters.copy()
        moves = trpo(agent, rows, config, max_kl=TINY), plain(agent, rows)
        ends = [as_far_as_delta(agent, rows, move) for move in moves]
        surrogate[r, s] = [judge(agent, rows, end)[0] for end in ends]
        for d, k in np.ndindex(refused[0].shape if s else (0,)):  # of the trained policy
            given = {"damping": DAMPINGS[d], "max_kl": LONGER[k], "line_search_tries": 1}
            refused[r, d, k] = not trpo(agent, rows, config, **given).any()
        gained[r, s] = [mean_return(model, end) for end in ends]
        gained[r, s] -= mean_return(model, old)
    return {
        "ratio": interval(surrogate[..., 0] / surrogate[..., 1]).T,  # (stages, 2)
        "return": np.moveaxis(interval(gained), 0, -1),  # (stages, 2, 2)
        "return, more": interval(gained[..., 0] - gained[..., 1]).T,  # (stages, 2)
        "refused": refused.mean(axis=0),  # (dampings, δs)
    }


# %%
def tell(numbers):
    for s, stage in enumerate(STAGES):
        print(f"after {stage:,} steps, both with a mean KL of {DELTA}, 95 %:")
        low, high = numbers["ratio"][s]
        print(f"    along F⁻¹ g the surrogate gains {low:.2f} … {high:.2f} times that along g")
        pairs = *numbers["return"][s].ravel(), *numbers["return, more"][s]
        print("    return {:+.0f}…{:+.0f} and {:+.0f}…{:+.0f}: {:.1f}…{:.1f} more".format(*pairs))
    print("δ                     ", *(f"{delta:6}" for delta in LONGER))
    for damping, shares in zip(DAMPINGS, numbers["refused"], strict=True):
        print(f"refused, damping {damping:5}", *(f"{share:6.0%}" for share in shares))


def draw(figure, numbers):
    left, right = figure.subplots(1, 2)
    for k, name in enumerate(("along F⁻¹ g", "along g")):
        low, high = numbers["return"][:, k].T  # (stages,) each
        x, middle = np.arange(len(STAGES)) + 0.2 * k - 0.1, (low + high) / 2
        left.errorbar(x, middle, high - middle, fmt="o", capsize=4, label=name)
    left.set_xticks(range(len(STAGES)), [f"after {stage:,} steps" for stage in STAGES])
    left.set(xlim=(-0.5, 1.5), ylabel=f"return gained by a step of KL {DELTA}")
    left.legend(loc="upper left")
    right.plot(LONGER, numbers["refused"].T, "o-", label=[f"damping {d}" for d in DAMPINGS])
    right.set(xlabel="δ", xscale="log", ylim=(-0.02, 1.02), ylabel="share of steps refused")
    right.legend()


if __name__ == "__main__":
    run(measure, tell, draw, runs=20)
