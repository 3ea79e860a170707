"""python -m npppo, and the command npppo."""

import os
import signal
import sys


def start() -> None:
    # Nothing is done before the commands and NumPy are imported: there Ctrl-C just ends it. An
    # exception in the middle of an import may come out as another one.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from .cli import parse, run

    options = parse()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(run(options))


if __name__ == "__main__":
    start()
