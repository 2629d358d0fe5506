"""Libraries that come with a microscope and are on no package index."""

from __future__ import annotations

import importlib
from typing import Any

from instruments.errors import NotSupported

NOT_RUN = "not run by us"
"""What the name of every template ends with."""


def library(module: str, whose: str) -> Any:
    """A vendor's module; raises NotSupported in one line where this Python has none."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise NotSupported(
            f"this Python has no {module} ({error}): {whose}; take one that has it (docs/templates.md)"
        ) from None
