"""Every tolerance of the tests, once, with its reason.

Inputs are of order one, so one number serves as relative and absolute tolerance. None of these
was found by trying: a test that misses its tolerance has found a bug.
"""

# float64 rounds each operation by 1.1e-16. A formula over our batches (at most 8 x 8 numbers) is
# fewer than 1000 operations, and loses at most a digit or two to cancellation.
EXACT = 1e-12

# The same operations on the same numbers in another memory layout: only the order of the sums
# inside a matrix product may change.
REORDERED = 1e-13

# Im f(x + ih) / h subtracts nothing: its error is h^2 = 1e-60, hence that of f alone.
COMPLEX_STEP = 1e-12
COMPLEX_STEP_SIZE = 1e-30

# (f(x + h) - f(x - h)) / 2h errs by h^2 f'''/6 in truncation and by 1.1e-16 f/h in rounding. At
# h = 6e-6, the cube root of 2.2e-16, both are about 2e-11; f, f''' and the length of the sums
# may still be some thousand times what they are for exp at 0.
CENTRAL_DIFFERENCE = 1e-7
CENTRAL_DIFFERENCE_SIZE = 6e-6

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
