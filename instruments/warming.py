"""Kernels compiled before anybody waits for them: a twin that is served has to answer in time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from instruments.check.examples import examples
from instruments.embedded import Embedded
from instruments.errors import InstrumentError
from instruments.seam import Instrument

_SOON_S = 2.0


def warm(instrument: Instrument, tell: Callable[[str], None]) -> None:
    """Carry out one request of every kind on a world beside the twin's own; other instruments are left alone.

    The first time on a machine this compiles for up to two minutes, which `tell` is told after two seconds.
    """
    if not isinstance(instrument, Embedded):
        return
    beside, never = Embedded(instrument.core), threading.Event()
    words = f"{beside.describe().name}: its kernels are compiled, once on this machine"
    waiting = threading.Timer(_SOON_S, tell, (words,))
    waiting.start()
    try:
        for number, request in enumerate(examples(beside.describe())):
            with contextlib.suppress(InstrumentError):
                beside.acquire(request, id=str(number), stop=never)
    finally:
        waiting.cancel()
