"""12 · Tokens: a language model trained by PPO, and by the methods that need no value function.

python examples/12_tokens.py [--seed 0] [--runs 10] [--figure FILE]
"""

import numpy as np
from chapter import interval, run

from npppo.formulas.categorical import (
    categorical_log_prob,
    categorical_log_prob_backward,
    categorical_sample,
    log_softmax,
)
from npppo.formulas.layers import mlp, mlp_backward, orthogonal
from npppo.formulas.losses import value_loss, value_loss_backward
from npppo.formulas.optimizers import adam_step
from npppo.formulas.returns import gae, normalize_advantages
from npppo.formulas.surrogates import dual_clip_loss, dual_clip_loss_backward

# %% [markdown]
# A language model is a policy: the state is what has been written so far, an action is the next
# token. This one is small enough to know everything about it. The prompt is a digit, 0 to 2; the
# right answer counts down from it to 0 and stops (2 1 0 ■). The reward comes at the end: the share
# of the right answer's tokens that came before the first mistake.
#
# The model is to stay near a reference q, the model that it was, so each token costs β log(π / q),
# in the reward (13 says why there). Each prompt has 121 possible answers, so everything can be
# added up: the reward and the KL(π ‖ q) of the model, and those of the best policies there are,
# π ∝ q exp(R / β'). More reward than theirs is not to be had for their KL. The budget is 3.8 nats.

# %%
BUDGET, BETA, RATE, UPDATES, EPOCHS, G = 3.8, 0.1, 7e-3, 80, 3, 64
PROMPTS, LENGTH, STOP = 3, 4, 3  # tokens 0 to 3, and STOP


def seen(prompts, answers, t):
    """What the model sees before token t: the prompt (N,), the place, the answer's (N, L) tokens so
    far; (N, D). L is LENGTH: an answer that is shorter is filled up with STOP."""
    so_far = np.eye(STOP + 1)[answers] * (np.arange(LENGTH) < t)[:, None]  # (N, L, A)
    place = np.tile(np.eye(LENGTH)[t], (len(answers), 1))  # (N, L)
    return np.hstack([np.eye(PROMPTS)[prompts], place, so_far.reshape(len(answers), -1)])


def features(prompts, answers):
    """The same for all tokens, (N · L, D), and which of them are not after the end, (N, L)."""
    x = np.stack([seen(prompts, answers, t) for t in range(LENGTH)], axis=1)  # (N, L, D)
    stops = answers == STOP  # (N, L)
    return x.reshape(-1, x.shape[2]), np.cumsum(stops, axis=1) - stops == 0


def rewards_of(prompts, answers):
    left = prompts[:, None] - np.arange(LENGTH)  # (N, L), -1 where it is time to stop
    so_far = np.cumprod(answers == np.where(left < 0, STOP, left), axis=1)  # (N, L), 1 while right
    return (so_far * (left >= -1)).sum(axis=1) / (prompts + 2)  # (N,)


def network(rng, outputs, gain):
    sizes = ((PROMPTS + (STOP + 2) * LENGTH, 32), 2**0.5), ((32, outputs), gain)
    return [a for shape, g in sizes for a in (orthogonal(rng, shape, g), np.zeros(shape[1]))]


def outputs_of(weights, x):  # [W, b, W, b] as the layers' pairs
    return mlp(x, [tuple(weights[:2]), tuple(weights[2:])])


def log_probs(weights, prompts, answers):
    """Of each answer's tokens, 0 after the end: (N, L)."""
    x, counts = features(prompts, answers)
    log_prob, _ = categorical_log_prob(outputs_of(weights, x)[0], answers.ravel())  # (N · L,)
    return log_prob.reshape(answers.shape) * counts


def write(rng, weights, prompts):
    """Answers to the prompts, token by token: (N, L)."""
    answers = np.full((len(prompts), LENGTH), STOP)
    going = np.ones(len(prompts), bool)  # (N,)
    for t in range(LENGTH):
        logits, _ = outputs_of(weights, seen(prompts, answers, t))  # (N, A)
        token = categorical_sample(logits, rng.random(len(prompts)))  # (N,)
        answers[going, t] = token[going]
        going &= token != STOP
    return answers


# %% [markdown]
# The methods differ in three things, and each is a line of the table: what stands for the advantage
# of a token, how the tokens are weighted, and the clip's limits. G answers to the same prompt are a
# group; o is the length of an answer. PPO has a value function, and GAE over the tokens. To the
# others all tokens of an answer are equally good, by how it compares with its group. (Dr. GRPO and
# RLOO are the same but for a constant factor, which Adam takes out again. GRPO as published has k3
# in the loss. Here all have the same penalty, so that they can be compared.)
# %%
def centred(R):  # (prompts, G), as all of these
    return R - R.mean(axis=1, keepdims=True)


def scaled(R):
    return centred(R) / (R.std(axis=1, ddof=1, keepdims=True) + 1e-6)


def leave_one_out(R):  # minus the mean of the others
    return centred(R) * R.shape[1] / (R.shape[1] - 1)


# advantages; a token's weight by its answer's length, and how many answers and tokens; limits
METHODS = {
    "PPO": (None, lambda o, answers, tokens: 1 / tokens + 0 * o, 0.2, 0.2),
    "GRPO": (scaled, lambda o, answers, tokens: 1 / (answers * o), 0.2, 0.2),
    "Dr. GRPO": (centred, lambda o, answers, tokens: 1 / (answers * LENGTH) + 0 * o, 0.2, 0.2),
    "RLOO": (leave_one_out, lambda o, answers, tokens: 1 / answers + 0 * o, 0.2, 0.2),
    "DAPO": (scaled, lambda o, answers, tokens: 1 / tokens + 0 * o, 0.2, 0.28),
}


# %%
def policy_loss(weights, x, tokens, old_log_prob, advantages, low, high):
    """Clipped, a sum with a weight in each advantage: min(r w Â, c w Â) = w min(r Â, c Â)."""
    logits, cache = outputs_of(weights, x)  # (N, A)
    log_prob, head = categorical_log_prob(logits, tokens)  # (N,)
    # the loss is a mean over its N rows; inf: no third limit
    given = log_prob, old_log_prob, advantages * len(tokens), low, high, np.inf
    loss, own = dual_clip_loss(*given)  # ()
    return loss, (own, head, cache)


def policy_loss_backward(dloss, caches):
    own, head, cache = caches
    dlog_prob = dual_clip_loss_backward(dloss, own)  # (N,)
    _, pairs = mlp_backward(categorical_log_prob_backward(dlog_prob, head), cache)
    return [array for pair in pairs for array in pair]


def descend(weights, gradients, memory, step, rate):
    """One step of Adam; memory holds its m and then its v of each array."""
    K = len(weights)
    for k, gradient in enumerate(gradients):
        moved = adam_step(weights[k], gradient, memory[k], memory[K + k], step, rate)
        weights[k], memory[k], memory[K + k] = moved


def gae_of(values, k1, R, counts, beta):
    """PPO's advantages, GAE over the tokens: the KL at each, the reward at the last; (N, L)."""
    last = counts & ~np.pad(counts, ((0, 0), (0, 1)))[:, 1:]  # (N, L) bool
    rewards = last * R[:, None] - beta * k1
    following = np.pad(values, ((0, 0), (0, 1)))[:, 1:]  # (N, L)
    never = np.zeros(last.T.shape, bool)  # (L, N), as (T, E)
    return gae(rewards.T, values.T, following.T, last.T, never, 1.0, 0.95).T  # (N, L)


def train(method, reference, rng, beta=BETA):
    """The weights, the mean reward of each update's answers, and the first loss with its slope."""
    advantages_of, weight_of, *limits = METHODS[method]
    weights, critic = list(reference), network(rng, 1, 1.0)
    memory, critic_memory = ([np.zeros_like(w) for w in 2 * ws] for ws in (weights, critic))
    prompts = np.arange(PROMPTS).repeat(G)  # (N,), N = PROMPTS · G
    rewards, first = [], None
    for update in range(UPDATES):
        answers = write(rng, weights, prompts)  # (N, L)
        x, counts = features(prompts, answers)
        old = log_probs(weights, prompts, answers)  # (N, L)
        k1 = old - log_probs(reference, prompts, answers)  # (N, L)
        R = rewards_of(prompts, answers)  # (N,)
        rewards.append(R.mean())
        if advantages_of:
            whole = advantages_of((R - beta * k1.sum(axis=1)).reshape(PROMPTS, G))
            advantages = np.repeat(whole.reshape(-1, 1), LENGTH, axis=1)  # (N, L)
        else:
            values = outputs_of(critic, x)[0].reshape(counts.shape)  # (N, L)
            advantages = gae_of(values, k1, R, counts, beta)  # (N, L)
            targets = (advantages + values)[counts]  # (tokens,)
            advantages[counts] = normalize_advantages(advantages[counts])
        advantages *= weight_of(counts.sum(axis=1, keepdims=True), len(R), counts.sum())
        x, batch = x[counts.ravel()], (answers[counts], old[counts], advantages[counts])
        for epoch in range(EPOCHS):
            step, rate = update * EPOCHS + epoch + 1, RATE * (1 - update / UPDATES)
            loss, cache = policy_loss(weights, x, *batch, *limits)
            gradients = policy_loss_backward(1.0, cache)
            first = first or (abs(loss), max(abs(g).max() for g in gradients))
            descend(weights, gradients, memory, step, rate)
            if not advantages_of:
                values, cache = outputs_of(critic, x)  # (tokens, 1)
                _, own = value_loss(values[:, 0], targets)
                _, pairs = mlp_backward(value_loss_backward(1.0, own)[:, None], cache)
                gradients = [array for pair in pairs for array in pair]
                descend(critic, gradients, critic_memory, step, rate)
    return weights, rewards, first


# %%
TOKENS = np.indices((STOP + 1,) * LENGTH).reshape(LENGTH, -1).T  # (256, L), all rows there are
# the answers, (121, L): after a STOP there are only more of it
ALL = TOKENS[((TOKENS == STOP) >= np.cumsum(TOKENS == STOP, axis=1).clip(max=1)).all(axis=1)]


def each_prompt(f):  # f of all answers to each prompt: (PROMPTS, 121)
    return np.array([f(np.full(len(ALL), prompt), ALL) for prompt in range(PROMPTS)])


def reward_and_kl(log_p, log_q):  # log-probabilities of all answers, (PROMPTS, 121)
    p, R = np.exp(log_p) / PROMPTS, each_prompt(rewards_of)
    return (p * R).sum(), (p * (log_p - log_q)).sum()


def frontier(log_q):
    """The reward and the KL of the best policies, for many β': (2, many)."""
    tilted = (log_q + each_prompt(rewards_of) / beta for beta in np.geomspace(5, 0.04, 60))
    return np.array([reward_and_kl(log_softmax(z)[0], log_q) for z in tilted]).T


def measure(seed, runs):
    reference = network(np.random.default_rng(0), STOP + 1, 0.1)
    log_q = each_prompt(lambda *texts: log_probs(reference, *texts).sum(axis=1))
    best_rewards, kls = frontier(log_q)
    numbers = {"frontier": (best_rewards, kls), "best": np.interp(BUDGET, kls, best_rewards)}
    numbers["reference"] = reward_and_kl(log_q, log_q)[0]
    for name in (*METHODS, "GRPO, β = 0"):
        ends, curves = [], []
        for child in np.random.SeedSequence(seed).spawn(runs):
            rng, method = np.random.default_rng(child), name.partition(",")[0]
            weights, rewards, first = train(method, reference, rng, 0 if "β" in name else BETA)
            log_p = each_prompt(lambda *texts, w=weights: log_probs(w, *texts).sum(axis=1))
            ends.append(reward_and_kl(log_p, log_q))
            curves.append(rewards)
        numbers[name] = {"reward": np.array(ends)[:, 0], "kl": np.array(ends)[:, 1]}
        numbers[name] |= {"curve": np.mean(curves, axis=0), "first": first}
    return numbers


# %%
def tell(numbers):
    print(f"reference: reward {numbers['reference']:.3f}; the best for {BUDGET} nats:", end=" ")
    print(f"{numbers['best']:.3f}\n{'':12}reward (95 %)      KL, worst   worst share of the best")
    for name in (*METHODS, "GRPO, β = 0"):
        reward, kl = numbers[name]["reward"], numbers[name]["kl"]
        low, high = interval(reward)
        verdict = "" if kl.max() <= BUDGET else "   over the budget"
        line = f"{name:12}{low:.3f} … {high:.3f}{kl.max():12.2f}"
        print(f"{line}{reward.min() / numbers['best']:18.1%}{verdict}")
    loss, slope = numbers["GRPO"]["first"]
    print(f"GRPO's first loss is {loss:.0e}, the largest entry of its gradient {slope:.0e}.")


def draw(figure, numbers):
    left, right = figure.subplots(1, 2)
    best_rewards, kls = numbers["frontier"]
    left.plot(kls[::3], best_rewards[::3], color="black", label="the best there is")
    left.axvline(BUDGET, color="grey", linewidth=0.8)
    for name in (*METHODS, "GRPO, β = 0"):
        left.plot(numbers[name]["kl"], numbers[name]["reward"], "o", alpha=0.6, label=name)
        right.plot(range(0, UPDATES, 5), numbers[name]["curve"][::5], label=name)
    left.set(xlabel="KL(π ‖ q), nats; line: the budget", ylabel="reward", xlim=(3.4, 4.8))
    left.set_ylim(0.7, 1.02)
    right.set(xlabel="updates", ylabel="reward of the answers")
    left.legend(fontsize=8, loc="lower left")


if __name__ == "__main__":
    run(measure, tell, draw, runs=10)
