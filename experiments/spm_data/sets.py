"""The recorded sets by name, and where they lie."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Final

from experiments.spm_data.findings import Findings

NAMES: Final = ("be_spectra", "ckpfm", "beps", "writing", "spiral", "igor")
_CHECKOUT: Final = Path(__file__).resolve().parents[2]


def analyse(name: str, data: Path) -> Findings:
    """The findings of one set in the folder that holds all of them; FileNotFoundError where it is not there."""
    found: Findings = importlib.import_module(f"experiments.spm_data.{name}").analyse(data)
    return found


def data_folder() -> Path:
    """Where recorded sets lie: PROBEWRIGHT_DATA, else shared/data beside the checkout."""
    return Path(os.environ.get("PROBEWRIGHT_DATA") or _CHECKOUT.parent / "shared" / "data")
