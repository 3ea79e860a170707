"""Every tolerance of the tests, once, with its reason.

Inputs are of order one, so one number serves as relative and absolute tolerance. None of these
was found by trying: a test that misses its tolerance has found a bug.
"""

from npppo import check

# float64 rounds each operation by 1.1e-16. A formula over our batches (at most 8 x 8 numbers) is
# fewer than 1000 operations, and loses at most a digit or two to cancellation.
EXACT = 1e-12

# The same operations on the same numbers in another memory layout: only the order of the sums
# inside a matrix product may change.
REORDERED = 1e-13

# The gradient checker says why.
COMPLEX_STEP, COMPLEX_STEP_SIZE = check.COMPLEX_STEP_BAR, check.COMPLEX_STEP
CENTRAL_DIFFERENCE, CENTRAL_DIFFERENCE_SIZE = check.CENTRAL_BAR, check.CENTRAL_STEP

# A gradient this small would pass the checks above whatever its formula.
SMALLEST_GRADIENT = 1e-4

# float32 rounds each operation by 6e-8: EXACT's reasoning, with 1000 operations in one sum.
FLOAT32 = 1e-4

# A difference of two log-probabilities of order one is wrong by some units in their last place: so
# many of them, divided by the difference, is the relative error of what grows with its square.
DIGITS_OF_A_DIFFERENCE = 20

# The midpoint rule over 1e4 quantiles of N(0, 1) errs most in the last of them, beyond x = 3.7.
# exp(x - 1/2) weighs that one P(N(1, 1) > 3.7) = 3e-3, of which the midpoint misses a tenth.
QUANTILE_GRID = 1e-3
