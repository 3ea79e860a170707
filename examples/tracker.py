"""Any experiment tracker through `callback`: MLflow, Weights & Biases, or a line on the screen."""

import npppo


class Tracker:  # stands for `mlflow`; with wandb: run.log(metrics, step=step)
    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        print(step, {name: f"{value:.3g}" for name, value in metrics.items()})


tracker = Tracker()
npppo.PPO("CartPole-v1", seed=0).learn(
    5_000, callback=lambda model, row: tracker.log_metrics(row, step=row["timesteps"])
)
