"""What the softmax policy and the policy over bits have in common."""

import numpy as np
import tolerances
from properties import assert_close, gradients, property_of_each
from strategies import logits_and_vectors, logits_pairs

DISCRETE = "categorical", "bernoulli"


@property_of_each(DISCRETE, "kl", case=logits_pairs())
def test_kl_is_positive_and_zero_only_to_itself(api, policy, case):
    kl, (_, logits) = getattr(api, f"{policy}_kl"), case
    assert (kl(*case)[0] > 0).all()
    assert_close(kl(logits, logits.copy())[0], np.zeros(len(logits)))


@property_of_each(DISCRETE, "fisher", "kl_backward", case=logits_and_vectors())
def test_fisher_is_the_curvature_of_the_kl(api, policy, case):
    logits, v = case
    step, ones = tolerances.CENTRAL_DIFFERENCE_SIZE, np.ones(len(logits))
    (above,) = gradients(api, f"{policy}_kl", (logits, logits + step * v), ones)
    (below,) = gradients(api, f"{policy}_kl", (logits, logits - step * v), ones)
    product = getattr(api, f"{policy}_fisher")(logits, v)
    assert_close(product, (above - below) / (2 * step), tolerances.CENTRAL_DIFFERENCE)
