"""Whether an instrument can be made anew from its settings alone, so that what it says of itself need not be kept."""

from __future__ import annotations

import inspect

from experiments.config.settings import Node
from experiments.config.signatures import TARGET, locate
from instruments.embedded import Embedded


def is_computed(node: Node) -> bool:
    """Whether the settings name a twin or a replay of this process; nothing is made, nothing is connected to."""
    kind = locate(str(node[TARGET]), "instrument")
    return inspect.isclass(kind) and issubclass(kind, Embedded)
