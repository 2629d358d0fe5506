"""The documented recordings, against the figures published with them."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from experiments.config import build, compose
from instruments.check import check
from instruments.embedded import Embedded
from instruments.errors import DataInvalid
from instruments.keys import keys
from instruments.replay.replay import Replay


def truth(replay: Replay) -> Any:
    return replay.truth(replay.begin(keys([0]), {}), 0)


def test_loops_of_lead_titanate(data_folder: Path) -> None:
    path = data_folder / "beps-loops-pto" / "BEPS_PTO_50x50.h5"
    replay = Replay(str(path))
    known = truth(replay)
    highest = np.abs(known["values"]).max(axis=-1)
    assert (highest > 1e-3).mean() == pytest.approx(0.318, abs=5e-4)
    assert np.median(highest) == pytest.approx(2.0e-4, rel=0.05) or np.median(highest[highest <= 1e-3]) < 3e-4
    with h5py.File(path) as file:
        group = file["Channel_000/generic"]
        stored, x, y = group["generic"][()], group["X"][()], group["Y"][()]
    for column, row in ((0, 0), (3, 41), (49, 7)):
        index = row * 50 + column
        assert np.array_equal(known["values"][row, column], stored[column, row])
        assert np.allclose(known["positions_nm"][index], [x[column] * 1e9, y[row] * 1e9])
    assert replay.describe().settings["BiasSpectroscopy"] | {"dwell_s": 0} == {
        "low_V": -8.5,
        "high_V": 8.5,
        "points": 64,
        "cycles": 1,
        "dwell_s": 0,
    }


def test_conduction_of_domain_walls(data_folder: Path) -> None:
    replay = Replay(str(data_folder / "cafm-iv-bfo" / "bfo_iv_final.hf5"))
    known = truth(replay)
    x, y = known["axis"].values, known["values"].reshape(2500, -1)
    slope, offset = np.polyfit(x, y.T, 1)
    left = y - (slope[:, None] * x + offset[:, None])
    r2 = 1 - (left**2).sum(1) / ((y - y.mean(1, keepdims=True)) ** 2).sum(1)
    assert np.quantile(slope, [0.05, 0.5, 0.95]) == pytest.approx([6.2e-4, 7.4e-4, 8.6e-4], rel=0.02)
    assert np.quantile(r2, [0.05, 0.5, 0.95]) == pytest.approx([0.929, 0.984, 0.997], abs=2e-3)


def test_most_of_the_sparse_spectra_were_never_measured(data_folder: Path) -> None:
    replay = Replay(str(data_folder / "be-spectra-32x32" / "bepfm_test_data_sparse.npy"), unit_nm=10.0)
    assert np.isfinite(truth(replay)["values"]).any(-1).mean() == pytest.approx(0.294, abs=1e-3)


def test_images_whose_positions_claim_to_be_degrees(data_folder: Path) -> None:
    path = str(data_folder / "pfm-writing-sequences" / "PMN28Pt0000.h5")
    with pytest.raises(DataInvalid, match="'deg', which is no length"):
        Replay(path)
    assert Replay(path, unit_nm=1e9).describe().field.size_nm == pytest.approx((4000.0, 4000.0), rel=0.01)


@pytest.mark.parametrize(
    "name", ["replay", "replay_beps_pto", "replay_cafm_bfo", "replay_be_spectra", "replay_pfm_image"]
)
def test_the_documented_instruments_conform(data_folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("PROBEWRIGHT_DATA", str(data_folder))
    instrument: Any = build(compose([f"instrument={name}"])).instrument
    assert isinstance(instrument, Embedded)
    check(instrument).raise_for_failures()
