"""Counts that are drawn when they are read: the same as those drawn at once, and dwells end at the same sample."""

import pickle

import numpy as np
import pytest

from instruments import keys
from instruments.batch import RequestBatch, ResultBatch
from instruments.request_columns import Conditions, atom_positions
from instruments.requests import ScanImage
from instruments.twins.later import Later
from instruments.twins.stem.detector import Detector
from instruments.twins.stem.microscope import StemMicroscope

MANY, FEW = 96, 32
"""Rows of which counts are drawn later, and at once."""
NOISY = {
    "as it is": StemMicroscope(),
    "quantised": StemMicroscope(detector=Detector(gain=0.3, offset=7.0, dark_per_s=1e4, quantised=True)),
    "much happens": StemMicroscope(current_pA=300.0, channels=100.0),
    "weak": StemMicroscope(current_pA=1.0, carbon_nm2=1e-5),
    "without noise": StemMicroscope(counting_noise=False),
}


def batches(rows: int, part: slice) -> list[RequestBatch]:
    """A dwell whose levels lie from far above to below its trace, and a look, of some of the rows."""
    rng = np.random.default_rng(3)
    place, seconds = rng.uniform(-1.5, 1.5, (rows, 2))[part], rng.uniform(0.5, 4.0, rows)[part]
    high = np.geomspace(1e2, 1e8, rows)[part]
    bands = np.stack([np.full(len(high), 5.0), high, rng.integers(0, 3, rows)[part].astype(float)], axis=1)
    each = {"position_nm": place, "longest_s": seconds, "until": Conditions(bands)}
    look = atom_positions(rng.uniform(-1.5, 1.5, (rows, 2))[part], ScanImage((0.0, 0.0), (0.6, 0.6), (14, 14), 1e-5))
    return [RequestBatch("Dwell", len(place), each, {"sample_s": 0.05}), look]


def performed(core: StemMicroscope, part: slice) -> list[ResultBatch]:
    roots = keys.keys(range(MANY))[part]
    world, results = core.begin(roots, {}), []
    for number, batch in enumerate(batches(MANY, part), 1):
        world, result = core.perform(world, batch, keys.fold(roots, number))
        results.append(result)
    return results


@pytest.mark.parametrize("name", sorted(NOISY))
def test_what_is_drawn_later_is_what_is_drawn_at_once(name: str) -> None:
    core = NOISY[name]
    later = performed(core, slice(0, MANY))
    ended = np.zeros(0)
    for first in range(0, MANY, FEW):
        part = slice(first, first + FEW)
        for whole, at_once in zip(later, performed(core, part), strict=True):
            assert isinstance(whole.values, Later)
            assert not isinstance(at_once.values, Later)
            np.testing.assert_array_equal(whole.cost.seconds[part], at_once.cost.seconds)
            for channel, values in at_once.values.items():
                found = whole.values[channel][part]
                width = values.shape[1]  # as long as the longest dwell among its rows
                np.testing.assert_array_equal(found[:, :width], values)
                assert np.isnan(found[:, width:]).all()
        ended = np.append(ended, np.isnan(later[0].values["haadf"][part]).sum(axis=1))
    assert len(np.unique(ended)) > 10  # dwells were of many lengths


def test_what_is_read_stays_and_travels_as_plain_arrays() -> None:
    drawn: list[int] = []

    def draw() -> np.ndarray:
        drawn.append(1)
        return np.ones(2)

    values = Later({"known": np.zeros(2), "drawn": draw})
    assert list(values) == ["known", "drawn"]
    assert "drawn" in values
    assert "none" not in values
    assert not drawn
    assert values["drawn"] is values["drawn"]
    assert values.get("none") is None
    assert len(drawn) == 1
    again = pickle.loads(pickle.dumps(values))
    assert type(again) is dict
    assert again["drawn"].tolist() == [1.0, 1.0]
