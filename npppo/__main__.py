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
    code = run(options)
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # once more while it ends: at once
    sys.exit(code)


if __name__ == "__main__":
    start()
