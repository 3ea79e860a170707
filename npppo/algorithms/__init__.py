"""One file for each algorithm: a frozen config dataclass and one update function."""
