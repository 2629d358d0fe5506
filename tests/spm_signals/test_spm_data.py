"""What the analyses of recorded scanning-probe data must find, and that the command says it."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from experiments.spm_data.__main__ import main
from experiments.spm_data.igor import two_domains
from experiments.spm_data.sets import analyse
from experiments.spm_data.writing import Scan, compare


def test_spectra_are_fitted_and_the_sparse_cube_is_rebuilt(data_folder: Path):
    numbers = analyse("be_spectra", data_folder).numbers
    assert numbers["r2_median"] >= 0.98
    assert numbers["measured_fraction"] == pytest.approx(0.294, abs=1e-3)
    assert numbers["sparse_rmse"] < 0.05 < numbers["linear_rmse"] < numbers["nearest_rmse"]
    assert numbers["error_over_predicted_deviation"] == pytest.approx(1.0, abs=0.15)


def test_kelvin_loops_are_in_the_published_range(data_folder: Path):
    numbers = analyse("ckpfm", data_folder).numbers
    assert numbers["resonance_Hz_median"] == pytest.approx(341.2e3, rel=1e-3)
    assert numbers["quality_median"] == pytest.approx(65, abs=1)
    assert numbers["r2_at_0_V_median"] > 0.95
    assert 2.5 < numbers["coercive_V_median"] < 3.8
    assert numbers["usable_loops_at_0_V"] > 0.6


def test_every_failed_loop_is_flagged_and_none_is_averaged_in(data_folder: Path):
    numbers = analyse("beps", data_folder).numbers
    assert numbers["failed_by_size"] == pytest.approx(0.318, abs=1e-3)
    assert numbers["failed_but_not_flagged"] == 0
    assert numbers["r2_of_unflagged_median"] > 0.95
    assert numbers["mean_work_of_everything_V"] > 10 * numbers["mean_work_of_kept_V"]


def test_the_written_stripe_appears_once_drift_is_out(data_folder: Path):
    numbers = analyse("writing", data_folder).numbers
    assert numbers["frame_1_to_2_height_correlation_after"] > 0.985
    assert numbers["frame_2_to_3_height_correlation_after"] > 0.987
    assert numbers["frame_1_to_2_changed_right_quarter"] > 0.6
    assert numbers["frame_1_to_2_changed_left_half"] < 0.06


def test_held_out_pixels_of_the_spiral_are_predicted(data_folder: Path):
    numbers = analyse("spiral", data_folder).numbers
    assert numbers["random_rmse"] < 0.9 * numbers["random_linear_rmse"]
    assert numbers["rings_rmse"] < numbers["rings_linear_rmse"]
    assert numbers["random_error_over_predicted"] == pytest.approx(1.0, abs=0.25)
    assert numbers["peer_gpr_correlation_with_ours"] > 0.88
    assert numbers["peer_skgpr_correlation_with_ours"] > 0.88


def test_an_igor_wave_is_read_with_its_extra(data_folder: Path):
    if find_spec("SciFiReaders") is None:
        pytest.skip("the extra io-spm is not installed")
    numbers = analyse("igor", data_folder).numbers
    assert (numbers["rows"], numbers["columns"], numbers["channels"]) == (256, 256, 4)


def test_the_command_writes_numbers_and_a_picture(data_folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["writing", "--data", str(data_folder), "--out", "here"]) == 0
    told = json.loads(Path("here/writing.json").read_text())
    assert f"{told['frame_1_to_2_changed']:.6g}" in capsys.readouterr().out
    assert Path("here/writing.png").read_bytes().startswith(b"\x89PNG")


def test_a_set_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]):
    assert main(["writing", "--data", "nowhere"]) == 1
    assert capsys.readouterr().err.startswith("writing: ")


def test_a_shift_and_a_stripe_are_found_again():
    rng = np.random.default_rng(0)
    from scipy.ndimage import gaussian_filter

    world = gaussian_filter(rng.normal(size=(160, 160)), 3)
    phase = np.where(gaussian_filter(rng.normal(size=(160, 160)), 6) > 0, 100.0, -80.0)
    first = Scan(world[20:140, 20:140], phase[20:140, 20:140])
    after = phase.copy()
    after[:, 100:112] += 180.0
    jumps = np.cumsum(rng.normal(size=120))[:, None] * 0.02
    second = Scan(world[23:143, 15:135] + jumps, after[23:143, 15:135])
    step = compare(first, second)
    assert step.shift == pytest.approx((-3.0, 5.0), abs=0.2)
    assert step.changed[:, 80 - 8 + 1 : 92 - 8 - 1].mean() > 0.97
    assert step.changed[:, :60].mean() < 0.05


def test_two_domains_are_told_apart_across_the_seam():
    rng = np.random.default_rng(0)
    up = rng.random((50, 50)) < 0.3
    phase = np.where(up, 85.0, -95.0 + 360.0) + rng.normal(size=(50, 50)) * 8
    found, _, order = two_domains((phase + 90) % 360 - 90)
    assert order > 0.9
    assert (found == up).all() or (found != up).all()
