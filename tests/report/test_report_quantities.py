"""Numbers are shown as people read them."""

from __future__ import annotations

import pytest

from experiments.report import quantities as q


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.0, 4, "0"),
        (191.23456, 4, "191.2"),
        (-0.0625, 3, "−0.0625"),
        (12345.678, 4, "12 346"),
        (3.5e-4, 4, "3.500×10⁻⁴"),
        (-6.02e23, 2, "−6.0×10²³"),
        (float("nan"), 4, "–"),
        (float("inf"), 4, "–"),
    ],
)
def test_number(value: float, digits: int, text: str) -> None:
    assert q.number(value, digits) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(2.5e-9, "A", "2.500 nA"), (4500.0, "V", "4.500 kV"), (5.0, "pm V", "5.000 pm V"), (0.5, "", "0.5000")],
)
def test_quantity(value: float, unit: str, text: str) -> None:
    assert q.quantity(value, unit) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0034, "3.40 ms"),
        (59.96, "60.0 s"),
        (119.99, "120 s"),
        (150.4, "2 min 30 s"),
        (7199.7, "2 h 0 min"),
        (11520, "3 h 12 min"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert q.duration(seconds) == text


def test_scale_follows_the_largest_finite_value() -> None:
    scale = q.scale_of([6.2e-4, float("nan"), -3.5e-3, 0.0], "V a.u.")
    assert scale.unit == "10⁻³ V a.u."
    assert scale.shown(3.5e-3) == pytest.approx(3.5)
    assert scale.label("loop area") == "loop area [10⁻³ V a.u.]"
    assert q.scale_of([2e-8], "A").unit == "nA"
    assert q.scale_of([], "A") == q.Scale(1.0, "A")


def test_lengths_and_places() -> None:
    assert q.length_scale(1999).unit == "nm"
    assert q.length_scale(2000).unit == "µm"
    assert q.position((437.5, -187.5), q.length_scale(2000)) == "(0.438, −0.188)"
    assert q.position((float("nan"), 0.0), q.length_scale(10)) == "–"
    assert q.position(None, q.length_scale(10)) == "–"


def test_axis_of_time_ends_in_a_readable_number() -> None:
    assert [q.time_scale(t).unit for t in (60, 600, 36000)] == ["s", "min", "h"]
