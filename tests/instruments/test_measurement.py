import math

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from instruments.batch import RequestBatch, ResultBatch
from instruments.cost import Cost, electrons
from instruments.errors import DataInvalid
from instruments.measurement import Axis, Channel, Measurement, measurement_from_plain, measurement_to_plain
from instruments.requests import BiasSpectroscopy, LineScan

DTYPES = st.sampled_from([np.float64, np.float32, np.int16, np.uint8, np.complex64, np.bool_, ">f8"]).map(np.dtype)


def measured(values: np.ndarray, seconds: float = 1.5) -> Measurement:
    axes = tuple(Axis(f"axis{i}", "nm", np.arange(n) * 0.1) for i, n in enumerate(values.shape))
    request = LineScan((0.0, 0.0), (1.0, 0.0), 5, 0.1)
    channels = {"signal": Channel(values, "counts", axes)}
    return Measurement(
        "id-1", request, channels, Cost(seconds, 3.0, 2.0, 1.0), False, (1.0, -2.0), {"x_nm": 3.0}, "note"
    )


@given(hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)), st.floats(0, 1e9))
def test_a_measurement_survives_the_wire_bit_for_bit(values: np.ndarray, seconds: float) -> None:
    sent = measured(values, seconds)
    got = measurement_from_plain(msgpack.unpackb(msgpack.packb(measurement_to_plain(sent))))
    channel = got.channels["signal"]
    assert channel.values.dtype == values.dtype
    assert channel.values.shape == values.shape
    assert channel.values.tobytes() == values.tobytes()
    assert [a.values.tobytes() for a in channel.axes] == [a.values.tobytes() for a in sent.channels["signal"].axes]
    for name in ("id", "request", "cost", "complete", "position_nm", "state", "note"):
        assert getattr(got, name) == getattr(sent, name)


def test_nan_with_a_payload_survives() -> None:
    values = np.array([np.nan, -np.nan, np.inf, -0.0, 5e-324])
    values.view(np.uint64)[0] = 0x7FF8DEADBEEF0001
    got = measurement_from_plain(msgpack.unpackb(msgpack.packb(measurement_to_plain(measured(values)))))
    assert got.channels["signal"].values.tobytes() == values.tobytes()


def test_a_strided_array_is_written_in_order() -> None:
    values = np.arange(12.0).reshape(3, 4)[::-1, ::2]
    got = measurement_from_plain(measurement_to_plain(measured(values)))
    np.testing.assert_array_equal(got.channels["signal"].values, values)
    assert got.channels["signal"].values.flags.writeable


def test_axes_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(DataInvalid, match=r"\(3,\).*\(4,\)"):
        Channel(np.zeros(4), "V", (Axis("bias", "V", np.zeros(3)),))


def test_xarray_keeps_units() -> None:
    dataset = measured(np.zeros((2, 3))).to_xarray()
    assert dataset["signal"].attrs["units"] == "counts"
    assert dataset["axis1"].attrs["units"] == "nm"
    assert dataset.attrs["complete"] == 0


def test_a_row_of_a_batch_is_the_request_again() -> None:
    request = BiasSpectroscopy((3.0, -4.0), -2.0, 2.0, 16, 0.1)
    assert RequestBatch.of(request).row(0) == request


def test_a_measurement_is_a_batch_of_one_and_back() -> None:
    one = measured(np.arange(5.0))
    back = ResultBatch.of(one).row(0, one.id, one.request, one.state)
    assert (back.cost, back.complete, back.position_nm) == (one.cost, one.complete, one.position_nm)
    assert back.channels["signal"].values.tobytes() == one.channels["signal"].values.tobytes()
    ResultBatch.of(one).values["signal"][:] = np.nan
    assert np.isfinite(one.channels["signal"].values).all()


def test_electrons_of_a_picoampere_second() -> None:
    assert math.isclose(electrons(1.0, 1.0), 6.2415e6, rel_tol=1e-5)  # physics.md check 10


@given(st.floats(0, 1), st.floats(0, 1e6), st.floats(0, 1e6))
def test_costs_add_and_scale_field_by_field(fraction: float, a: float, b: float) -> None:
    total = Cost(a, b, a, b) + Cost(b, a, 1.0, 2.0)
    assert total == Cost(a + b, a + b, a + 1.0, b + 2.0)
    assert total.scaled(fraction).seconds == (a + b) * fraction
    assert Cost.of(total.as_dict()) == total
