"""Nion's stack over our graphene; its server writes the truth behind it to TRUTH, at its start and at its end."""

import atexit
import json
import os
from pathlib import Path

from instruments.embedded import Embedded
from instruments.nion.driver import Nion
from instruments.nion.simulator import over
from instruments.twins.stem.microscope import StemMicroscope


def make() -> Nion:
    """The first silicon atom is the only one."""
    twin, told = Embedded(StemMicroscope()), Path(os.environ["TRUTH"])
    served = over(twin, "haadf")

    def tell() -> None:
        truth, spent = twin.truth(), twin.snapshot()["elapsed_s"]
        said = {
            "silicon": int(truth["silicon"][0]),
            "at_nm": truth["positions_nm"][truth["silicon"][0]].tolist(),
            "hops": len(truth["events"]),
            "beam_s": float(spent),
        }
        with told.open("a") as file:
            file.write(json.dumps(said) + "\n")

    tell()
    atexit.register(tell)
    return served
