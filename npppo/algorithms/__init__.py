"""One file for each algorithm: a frozen config dataclass and one update function.

`Learner` says what they are, `ALGORITHMS` which there are, both in `npppo.training.learner`.
"""
