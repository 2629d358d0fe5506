"""`python -m experiments.benchmark.references`: compute the frozen scores anew; a change raises the version."""

import dataclasses
import tempfile
from pathlib import Path

from experiments.benchmark import references


def main() -> None:
    """Write every file that has changed."""
    for name in references.names():
        before = references.read(name)
        with tempfile.TemporaryDirectory() as folder:
            now = references.measured(before, Path(folder))
        if now == before:
            print(f"{name}: unchanged, version {before.version}")
            continue
        references.write(name, dataclasses.replace(now, version=before.version + 1))
        print(f"{name}: changed, now version {before.version + 1}; say why in CHANGELOG.md")


if __name__ == "__main__":
    main()
