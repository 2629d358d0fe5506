"""Values that are computed when somebody reads them: numbers that belong to keys can be drawn at any time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Later(Mapping[str, Floats]):
    """Arrays by name, some of them said by what computes them; each is computed once."""

    def __init__(self, named: Mapping[str, Floats | Callable[[], Floats]]) -> None:
        self._named = dict(named)

    def __getitem__(self, name: str) -> Floats:
        found = self._named[name]
        if not isinstance(found, np.ndarray):
            found = self._named[name] = found()
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._named

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)

    def __reduce__(self) -> Any:
        return dict, (dict(self.items()),)
