"""Atom positions from an image by a finder: the instrument stays what it was, and gets eyes."""

import threading

import numpy as np
import pytest

from environments.perception import Atoms, perceiving
from instruments.check.bench import same
from instruments.conform import conform
from instruments.embedded import Embedded
from instruments.errors import NotSupported
from instruments.requests import AtomPositions, BiasSpectroscopy, ScanImage
from instruments.seam import Instrument, Twin
from instruments.twins.flat import Flat

NEVER = threading.Event()
WHOLE = AtomPositions(ScanImage((50.0, 0.0), (100.0, 100.0), (8, 8), 1e-3))


class Brightest:
    """A finder that knows one thing: where the brightest pixel is."""

    name = "brightest pixel"
    unit = ""

    def find(self, image):
        values = image.channels["height"].values
        row, column = np.unravel_index(np.argmax(values), values.shape)
        return Atoms(np.array([[column, row]], dtype=float), np.array([values.max()]), np.array([np.nan]))


def test_a_finder_reads_the_frame_and_the_answer_has_its_cost_and_the_image(small_film) -> None:
    eyes, plain = perceiving(Embedded(small_film()), Brightest()), Embedded(small_film())
    answer = eyes.acquire(WHOLE, id="a", stop=NEVER)
    image = plain.acquire(WHOLE.frame, id="a", stop=NEVER)
    assert answer.request == WHOLE
    assert answer.cost == image.cost
    assert eyes.price(WHOLE) == plain.price(WHOLE.frame)
    row, column = np.unravel_index(np.argmax(image.channels["height"].values), (8, 8))
    assert answer.channels["position"].values.tolist() == [[column, row]]
    assert np.array_equal(answer.channels["height"].values, image.channels["height"].values)
    assert "brightest pixel" in answer.note
    conform(answer, WHOLE, eyes.describe())


def test_an_id_is_looked_at_once_and_found_again(small_film) -> None:
    eyes = perceiving(Embedded(small_film(noise=0.3)), Brightest())
    answer = eyes.acquire(WHOLE, id="a", stop=NEVER)
    assert same(eyes.acquire(WHOLE, id="a", stop=NEVER), answer)
    assert same(eyes.lookup("a"), answer)
    assert eyes.lookup("b") is None
    assert eyes.snapshot()["requests"] == 1


def test_everything_else_goes_through_and_a_twin_stays_a_twin(small_film) -> None:
    eyes, plain = perceiving(Embedded(small_film()), Brightest()), Embedded(small_film())
    assert isinstance(eyes, Twin)
    eyes.reset(4, {})
    plain.reset(4, {})
    loop = BiasSpectroscopy((20.0, 10.0), -8.0, 8.0, 64, 0.01)
    assert same(eyes.acquire(loop, id="a", stop=NEVER), plain.acquire(loop, id="a", stop=NEVER))
    assert same(eyes.lookup("a"), plain.lookup("a"))


def test_an_instrument_that_is_no_twin_has_no_truth(small_film) -> None:
    class Real:
        def __init__(self):
            self._twin = Embedded(small_film())

        def __getattr__(self, name):
            if name in ("truth", "reset", "snapshot", "restore"):
                raise AttributeError(name)
            return getattr(self._twin, name)

    eyes = perceiving(Real(), Brightest())
    assert isinstance(eyes, Instrument)
    assert not isinstance(eyes, Twin)


def test_an_instrument_without_images_cannot_be_given_eyes() -> None:
    with pytest.raises(NotSupported, match="ScanImage"):
        perceiving(Embedded(Flat()), Brightest()).describe()
