"""The server's side loads nothing but pyzmq, msgpack and NumPy: the computers beside microscopes are like that."""

import ast
import json
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json, sys, threading
from instruments.bridge import __main__ as serving
from instruments.bridge.remote import RemoteTwin
from instruments.bridge.server import Server
from instruments.bridge.settings import ServerSettings
from instruments.requests import PointSpectrum

server = Server(serving.made("instruments.twins.flat:Flat"), ServerSettings("tcp://127.0.0.1:*"))
thread = threading.Thread(target=server.run)
thread.start()
remote = RemoteTwin(server.address)
remote.reset(1, {})
remote.acquire(PointSpectrum((0.0, 0.0), 0.1), id="a", stop=threading.Event())
remote.close()
server.stop()
thread.join()
loaded = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
print(json.dumps(sorted(name for name in loaded if not name.startswith("_"))))
"""
ALLOWED = {"instruments", "physics_priors", "msgpack", "numpy", "zmq", "cython_runtime"}  # the last is made by pyzmq


def test_serving_and_being_served_loads_nothing_else() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert {"instruments", "zmq"} <= loaded
    # What the environment itself loads at start (site hooks) is none of the server's doing.
    bare = subprocess.run(
        [sys.executable, "-c", PROGRAM.partition("from instruments")[0] + "print(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    at_start = {name.partition(".")[0] for name in json.loads(bare.stdout)}
    assert loaded - ALLOWED - at_start == set()


def test_a_target_that_is_none_is_one_line() -> None:
    command = [sys.executable, "-m", "instruments.bridge", "instruments.twins.flat:Flta"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: module 'instruments.twins.flat' has no attribute 'Flta'")
    assert len(done.stderr.splitlines()) == 1


def test_what_a_server_loads_is_written_in_the_syntax_of_python_3_8() -> None:
    ours = "m.__file__ for n, m in sys.modules.items() if n.startswith(('instruments', 'physics_priors'))"
    program = f"import sys, instruments.bridge.__main__; print(*({ours}), sep=chr(10))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert len(paths) > 25
    for path in paths:
        ast.parse(path.read_text(encoding="utf-8"), path.name, feature_version=(3, 8))
