"""14 · Battleship: a policy that looks for ships, by the group method and gradients by hand.

python examples/14_battleship.py [--seed 0] [--runs 2] [--figure FILE]
"""

from itertools import product

import numpy as np
from chapter import interval, run

from npppo.formulas.categorical import (
    categorical_log_prob,
    categorical_log_prob_backward,
    categorical_sample,
)
from npppo.formulas.layers import mlp, mlp_backward, orthogonal
from npppo.formulas.optimizers import adam_step
from npppo.formulas.surrogates import dual_clip_loss, dual_clip_loss_backward

# %% [markdown]
# Ships of 2, 3 and 4 cells lie on a board of 5 × 5. The policy fires until all 9 cells are hit, and
# its score is 1 - misses / 17. It sees what it has hit (1), missed (-1) and not tried (0), and has
# no value function: G games on the same board are a group, and a game is as good as it compares
# with the others of its group. This is the game of microGRPO, with a network of its size and its
# numbers of games and steps; it reports about 50 % after 2,000 updates.

# %%
SIDE, SHIPS = 5, (2, 3, 4)
CELLS, HITS = SIDE**2, sum(SHIPS)
UPDATES, EPOCHS, BOARDS, G, HIDDEN = 450, 10, 4, 16, 25
RATE, LOW, HIGH = 4e-4, 0.9, 0.3  # ratios from 0.1 to 1.3 are in the band


def all_boards():
    """Every way for the ships to lie: (boards, CELLS) bool. One is as likely as another.

    As in microGRPO a ship begins in a cell from which it could lie both across and down.
    """
    ways = []
    for n in SHIPS:
        boards = np.zeros((SIDE - n + 1, SIDE - n + 1, 2, SIDE, SIDE), int)  # (…, 5, 5)
        for row, column in product(range(SIDE - n + 1), repeat=2):
            boards[row, column, 0, row : row + n, column] = 1
            boards[row, column, 1, row, column : column + n] = 1
        ways.append(boards.reshape(-1, CELLS))  # (ways of one ship, CELLS)
    ships = np.array([sum(ship) for ship in product(*ways)])  # (ways, CELLS)
    return ships[ships.max(axis=1) == 1] == 1  # those in which no two are in one cell


ALL = all_boards()

# %% [markdown]
# No cell is fired at twice: its logit is -inf, so its probability is 0 and its gradient too. What
# acts and what learns must be the same policy. Who fires by the masked softmax and has the plain
# one in the loss has a ratio that is not 1 in the first epoch, and a gradient that is another
# policy's. It learns all the same, and less. That is the second curve here (and microGRPO's loss).


# %%
def logits_of(weights, seen, masked=True):  # weights: W (CELLS, HIDDEN), b, W (HIDDEN, CELLS), b
    logits, cache = mlp(seen, [tuple(weights[:2]), tuple(weights[2:])])  # (N, CELLS)
    return np.where((seen != 0) & masked, -np.inf, logits), cache


def play(rng, weights, boards):
    """A game on each board: what was seen, cell and game of each shot; the games' scores."""
    seen, shots = np.zeros(boards.shape), []  # (games, CELLS)
    games = np.arange(len(boards))  # those that go on
    while len(games):
        logits, _ = logits_of(weights, seen[games])  # (N, CELLS)
        cells = categorical_sample(logits, rng.random(len(games)))  # (N,)
        shots.append((seen[games], cells, games))
        seen[games, cells] = np.where(boards[games, cells], 1, -1)
        games = games[(seen[games] == 1).sum(axis=1) < HITS]
    batch = [np.concatenate(columns) for columns in zip(*shots, strict=True)]  # (shots, …) each
    return batch, 1 - (seen == -1).sum(axis=1) / (CELLS - HITS + 1)  # (games,)


def policy_loss(weights, seen, cells, old_log_prob, advantages, masked=True):
    """The clipped surrogate over N shots; the bound that makes it a dual clip is infinitely far."""
    logits, cache = logits_of(weights, seen, masked)  # (N, CELLS)
    log_prob, head = categorical_log_prob(logits, cells)  # (N,)
    loss, own = dual_clip_loss(log_prob, old_log_prob, advantages, LOW, HIGH, np.inf)  # ()
    return loss, (own, head, cache)


def policy_loss_backward(dloss, caches):
    own, head, cache = caches
    dlog_prob = dual_clip_loss_backward(dloss, own)  # (N,)
    dlogits = categorical_log_prob_backward(dlog_prob, head)  # (N, CELLS), 0 where masked
    # forward: logits = -inf where masked, else mlp(seen)
    _, pairs = mlp_backward(dlogits, cache)
    return [array for pair in pairs for array in pair]


# %% [markdown]
# Adam's steps on the clipped surrogate. Each group has the same weight, and within it each shot.


# %%
def train(rng, masked=True):
    """The weights, and the mean score of the games of each update."""
    sizes = ((CELLS, HIDDEN), 1.0), ((HIDDEN, CELLS), 0.1)
    weights = [a for size, gain in sizes for a in (orthogonal(rng, size, gain), np.zeros(size[1]))]
    memory, scores, step = [np.zeros_like(w) for w in 2 * weights], [], 0  # Adam's m, then its v
    for _ in range(UPDATES):
        boards = ALL[rng.integers(len(ALL), size=BOARDS)].repeat(G, axis=0)  # (games, CELLS)
        (seen, cells, games), score = play(rng, weights, boards)
        old, _ = categorical_log_prob(logits_of(weights, seen)[0], cells)  # (shots,)
        scores.append(score.mean())
        groups = score.reshape(BOARDS, G)  # (BOARDS, G)
        better = (groups - groups.mean(axis=1, keepdims=True)).ravel() / score.std()  # (games,)
        counts = np.bincount(games // G)  # (BOARDS,), the shots of each group
        advantages = better[games] * len(games) / (BOARDS * counts[games // G])  # (shots,)
        for _ in range(EPOCHS):
            _, caches = policy_loss(weights, seen, cells, old, advantages, masked)
            step += 1
            for k, gradient in enumerate(policy_loss_backward(1.0, caches)):
                moved = adam_step(weights[k], gradient, memory[k], memory[4 + k], step, RATE)
                weights[k], memory[k], memory[4 + k] = moved
    return weights, scores


# %% [markdown]
# How good can one be? A player who knows all 1,504 boards keeps those that agree with what was
# seen, and fires at the cell in which most of them have a ship. That looks one shot ahead, so it
# is not quite the best there is.


# %%
def best_cells(boards, free):
    """What the misses to come add to that player's score on each board: (boards,), 0 or less.

    The `boards` (boards, CELLS) are those that agree with what was seen, and the `free` cells
    (CELLS,) those not yet fired at.
    """
    likely = np.where(free, boards.mean(axis=0), -1)  # (CELLS,)
    cell = likely.argmax()
    hit = boards[:, cell]  # (boards,)
    left = free & (np.arange(CELLS) != cell)  # (CELLS,)
    scores = np.where(hit, 0.0, -1 / (CELLS - HITS + 1))  # (boards,)
    for same in (hit, ~hit):
        going = same & (boards & left).any(axis=1)  # (boards,)
        if going.any():  # those on which there is still something to hit
            scores[going] += best_cells(boards[going], left)
    return scores


def measure(seed, runs):
    scores, curves = {True: [], False: []}, {True: [], False: []}  # of each run, (boards,)
    for child in np.random.SeedSequence(seed).spawn(runs):
        for masked in scores:
            rng = np.random.default_rng(child)
            weights, curve = train(rng, masked)
            scores[masked].append(play(rng, weights, ALL)[1])
            curves[masked].append(curve)
    kept, forgotten = (np.array(scores[masked]) for masked in scores)  # (runs, boards)
    alike = [np.zeros_like(w) for w in weights]  # with these all cells are equally likely
    return {
        "kept": kept,
        "forgotten": forgotten,
        "kept - forgotten": interval(kept.mean(axis=1) - forgotten.mean(axis=1)),
        "curves": curves,
        "by chance": play(np.random.default_rng(seed), alike, ALL)[1],
        "likeliest cell": 1 + best_cells(ALL, np.ones(CELLS, bool)),
    }


# %%
def tell(numbers):
    chance, best = numbers["by chance"].mean(), numbers["likeliest cell"].mean()
    print(f"by chance {chance:.1%}, always the likeliest cell {best:.1%}; after {UPDATES} updates")
    for name in ("kept", "forgotten"):
        means = numbers[name].mean(axis=1)
        spread = f"({means.min():.1%} … {means.max():.1%})"
        print(f"    {means.mean():.1%} {spread} with the mask {name} in the loss")
    low, high = numbers["kept - forgotten"]
    print(f"    {low:.1%} … {high:.1%} (95 %) between them")


def draw(figure, numbers):
    left, right = figure.subplots(1, 2)
    for masked, name in ((True, "the mask kept"), (False, "forgotten in the loss")):
        curve = np.mean(numbers["curves"][masked], axis=0)[: UPDATES // 10 * 10]
        left.plot(range(0, len(curve), 10), curve.reshape(-1, 10).mean(axis=1), label=name)
    left.axhline(numbers["likeliest cell"].mean(), color="black", linewidth=0.8)
    left.set(xlabel="updates; the line: always the likeliest cell", ylabel="score", ylim=(0, 0.8))
    left.legend()
    for name, colour in (("by chance", "grey"), ("kept", "tab:blue"), ("likeliest cell", "black")):
        scores = np.sort(numbers[name].ravel())[:: numbers[name].size // 100]
        right.plot(scores, np.linspace(0, 1, len(scores)), color=colour, label=name)
    right.set(xlabel="score", ylabel="share of the games with less")
    right.legend()


if __name__ == "__main__":
    run(measure, tell, draw, runs=2)
