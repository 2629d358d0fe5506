"""Run by test_tango.py with a Python that has PyTango: a frame whose server is killed in the middle."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

from instruments.errors import ConnectionLost, HardwareFault
from instruments.requests import ScanImage
from instruments.site import read_site
from instruments.tango.driver import TangoColumn, TangoSite

scope = TangoColumn(read_site(TangoSite, Path(sys.argv[1])))
scope.describe()
threading.Timer(1.0, os.kill, (int(sys.argv[2]), signal.SIGKILL)).start()
began = time.monotonic()
for call in (
    lambda: scope.acquire(ScanImage((0.0, 0.0), (8.0, 8.0), (64, 64), 9e-4), id="long", stop=threading.Event()),
    scope.make_safe,
    scope.close,
):
    try:
        call()
    except (ConnectionLost, HardwareFault) as error:
        print(f"{type(error).__name__} {str(error)[:60]}")
    else:
        raise AssertionError("nobody is there, and it was not said")
assert time.monotonic() - began < 60
assert all(thread.daemon or thread is threading.main_thread() for thread in threading.enumerate())
