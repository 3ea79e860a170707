"""PPO's config as a program in examples/ has it, whose constants have these names."""

from npppo.algorithms.ppo import PPOConfig


def ppo_config(page, n_envs, n_steps):
    return PPOConfig(
        n_envs=n_envs,
        n_steps=n_steps,
        batch_size=page.MINIBATCH,
        n_epochs=page.EPOCHS,
        gamma=page.GAMMA,
        gae_lambda=page.LAMBDA,
        vf_coef=page.VF_COEF,
        ent_coef=page.ENT_COEF,
        max_grad_norm=page.MAX_NORM,
    )
