"""The fingerprint of the machine that a figure was measured on: what explains its speed, nothing that names it."""

import os
import platform
from typing import Any

from experiments.campaign.provenance import processor, versions


def fingerprint() -> dict[str, Any]:
    """Processor, cores, memory [GiB], operating system, Python and package versions; no host name and no path."""
    return {
        "cpu": processor(),
        "cores": _cores(),
        "memory_GiB": _memory_gib(),
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": versions(),
    }


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)  # fewer than there are, in a container; Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _memory_gib() -> float | None:
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
