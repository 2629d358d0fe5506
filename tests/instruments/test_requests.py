import dataclasses
import math
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instruments.capabilities import Capabilities, Field
from instruments.check import examples
from instruments.errors import InvalidRequest
from instruments.requests import (
    KINDS,
    BeamPath,
    BiasSpectroscopy,
    Dwell,
    PointSpectrum,
    Request,
    ScanImage,
    SetOptics,
    SetSample,
    SubScan,
    Until,
    from_plain,
    to_plain,
)
from physics_priors.bounds import field_bounds

ANYTHING = Capabilities(
    "anything", "STEM", True, frozenset(KINDS), Field((3.0, -4.0), (100.0, 60.0)), {kind: {} for kind in KINDS}
)
VALID = {request.kind: request for request in examples(ANYTHING)}
NUMBERS = [(kind, name) for kind, cls in KINDS.items() for name in field_bounds(cls)]

length = st.floats(-1e6, 1e6)
point = st.tuples(length, length)
seconds = st.floats(1e-9, 1e4)
frames = st.builds(
    ScanImage,
    point,
    st.tuples(st.floats(1e-3, 1e6), st.floats(1e-3, 1e6)),
    st.tuples(st.integers(1, 65536), st.integers(1, 65536)),
    seconds,
    st.floats(-10, 10),
    st.lists(st.text(max_size=5), max_size=3).map(tuple),
)
several = st.one_of(
    frames,
    st.builds(lambda frame: SubScan(frame, (0, frame.shape[0]), (0, 1)), frames),
    st.builds(PointSpectrum, point, seconds),
    st.builds(lambda at, s: Dwell(at, s, s / 3, Until("haadf", -1.5, 2.5, 4)), point, seconds),
    st.builds(BeamPath, st.lists(point, min_size=1, max_size=4).map(tuple), seconds),
    st.builds(BiasSpectroscopy, point, st.floats(-9, -1), st.floats(0, 9), st.integers(4, 99), seconds),
    st.builds(SetOptics, st.none() | length, st.none() | point),
    st.builds(SetSample, st.none() | st.floats(0, 1e3), member=st.none() | st.text(max_size=9)),
)


def sent(request: Request) -> Any:
    return from_plain(msgpack.unpackb(msgpack.packb(to_plain(request))))


def poisoned(value: Any, poison: float) -> Any:
    """The value with its first number replaced."""
    if isinstance(value, tuple):
        return (poisoned(value[0], poison), *value[1:])
    return poison


def test_there_is_an_example_of_every_kind() -> None:
    assert set(VALID) == set(KINDS)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_survives_the_wire(kind: str) -> None:
    assert sent(VALID[kind]) == VALID[kind]


@given(several)
def test_any_request_survives_the_wire(request: Request) -> None:
    assert sent(request) == request


def test_numpy_numbers_survive_the_wire() -> None:
    request = PointSpectrum((np.float32(1.5), np.int64(2)), np.float64(0.5))  # type: ignore[arg-type]
    assert sent(request) == PointSpectrum((1.5, 2.0), 0.5)


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf, "1.0", True, 1j])
@pytest.mark.parametrize(("kind", "name"), NUMBERS)
def test_no_number_takes_what_is_not_finite_or_no_number(kind: str, name: str, poison: Any) -> None:
    bad = poisoned(getattr(VALID[kind], name) or 0.0, poison)
    with pytest.raises(InvalidRequest, match=name):
        dataclasses.replace(VALID[kind], **{name: bad})


@pytest.mark.parametrize(("kind", "name"), NUMBERS)
def test_no_number_takes_what_is_below_its_range(kind: str, name: str) -> None:
    for below in (1e-9, 1, 1e9):
        bad = poisoned(getattr(VALID[kind], name) or 0.0, field_bounds(KINDS[kind])[name].low - below)
        with pytest.raises(InvalidRequest, match=name):
            dataclasses.replace(VALID[kind], **{name: bad})


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k, n in NUMBERS if isinstance(getattr(VALID[k], n), tuple)])
def test_no_tuple_takes_another_shape(kind: str, name: str) -> None:
    value = getattr(VALID[kind], name)
    for bad in (list(value), value[0], (*value, ()), ((),), np.zeros(2)):
        with pytest.raises(InvalidRequest, match=f"{kind}: {name} must be"):
            dataclasses.replace(VALID[kind], **{name: bad})


@pytest.mark.parametrize(
    "build",
    [
        lambda: ScanImage((0.0, 0.0), (1.0, 1.0), (64.5, 64), 1e-3),  # type: ignore[arg-type]
        lambda: ScanImage((0.0, 0.0), (1.0, 1.0), (64, 64), 1e-3, channels="haadf"),  # type: ignore[arg-type]
        lambda: SubScan(VALID["ScanImage"], (5, 5), (0, 1)),  # type: ignore[arg-type]
        lambda: SubScan(VALID["ScanImage"], (0, 13), (0, 1)),  # type: ignore[arg-type]
        lambda: SubScan(None, (0, 1), (0, 1)),  # type: ignore[arg-type]
        lambda: BiasSpectroscopy((0.0, 0.0), 2.0, 2.0, 8, 0.1),
        lambda: Dwell((0.0, 0.0), 0.1, 0.2),
        lambda: Until("haadf", 2.0, 1.0),
        lambda: Until("haadf", math.nan, 1.0),
        lambda: BeamPath((), 0.1),
        lambda: from_plain({"kind": "PointSpectrum", "position_nm": [0, 0]}),
        lambda: from_plain({"kind": "PointSpectrum", "position_nm": [0, 0], "exposure_s": 1, "extra": 1}),
        lambda: from_plain({"kind": "Reque"}),
        lambda: from_plain({"position_nm": [0, 0]}),
    ],
)
def test_contradictions_are_refused(build: Any) -> None:
    with pytest.raises(InvalidRequest):
        build()


def test_an_error_names_kind_field_value_and_range() -> None:
    with pytest.raises(InvalidRequest, match=r"^PointSpectrum: exposure_s=-1.0 is outside \(0, inf\) s$"):
        PointSpectrum((0.0, 0.0), -1.0)


def test_places_of_a_turned_frame_are_its_turned_corners() -> None:
    frame = ScanImage((10.0, 0.0), (4.0, 2.0), (2, 4), 1e-3, math.pi / 2)
    np.testing.assert_allclose(frame.places_nm(), [[11, -2], [11, 2], [9, 2], [9, -2]], atol=1e-12)


def test_a_part_of_a_frame_lies_where_its_pixels_lie() -> None:
    part = SubScan(ScanImage((0.0, 0.0), (8.0, 4.0), (4, 8), 1e-3), (0, 1), (6, 8))
    np.testing.assert_allclose(part.places_nm(), [[2, -2], [4, -2], [4, -1], [2, -1]])
