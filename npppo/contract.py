"""Every formula of npppo, file by file in learning order.

`npppo.NAME` is found here: `npppo/__init__.py` loads this file on first use. What a file keeps out
of its `__all__`, such as `losses.ppo_objective`, is imported from that file.
"""

from . import categorical, gaussian, layers, losses, optimizers, returns
from .categorical import *
from .gaussian import *
from .layers import *
from .losses import *
from .optimizers import *
from .returns import *

__all__ = []
__all__ += layers.__all__
__all__ += categorical.__all__
__all__ += gaussian.__all__
__all__ += returns.__all__
__all__ += losses.__all__
__all__ += optimizers.__all__
