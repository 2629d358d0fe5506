"""The command `probewright`: thin commands over `experiments.config` and `experiments.campaign`.

Nothing heavy is imported before it is needed, so that `--help` answers at once. To add a command, write a
function in `app.py`.
"""

from experiments.cli.app import main

__all__ = ["main"]
