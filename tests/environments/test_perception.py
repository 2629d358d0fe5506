"""Atom positions from a twin's ideal detector or from an image; and who cannot answer says so."""

import numpy as np
import pytest

from environments.perception import AtomPositions, Perceive, TwinDetector
from instruments import keys
from instruments.embedded import Embedded
from instruments.errors import NotSupported
from instruments.requests import ScanImage
from instruments.twins.flat import Flat

WHOLE = AtomPositions(ScanImage((50.0, 0.0), (100.0, 100.0), (8, 8), 1e-3))


class Brightest:
    """A finder that knows one thing: where the brightest pixel is."""

    name = "brightest pixel"

    def find(self, image):
        values = image.channels["height"].values
        row, column = np.unravel_index(np.argmax(values), values.shape)
        return np.array([[column, row]], dtype=float)


def test_the_ideal_detector_sees_the_atoms_of_the_frame(small_film) -> None:
    perceive = Perceive(Embedded(small_film()), TwinDetector(noise_nm=0.0))
    atoms = perceive.atoms(WHOLE, id="a", key=keys.keys(0))
    assert atoms.positions_nm.tolist() == [[10.0, 0.0], [40.0, 20.0], [95.0, 45.0]]
    assert (atoms.source, atoms.noise_nm, atoms.cost.seconds) == ("ideal detector", 0.0, 0.0)
    corner = AtomPositions(ScanImage((90.0, 40.0), (20.0, 20.0), (8, 8), 1e-3))
    assert perceive.atoms(corner, id="b", key=keys.keys(0)).positions_nm.tolist() == [[95.0, 45.0]]
    turned = AtomPositions(ScanImage((25.0, 10.0), (40.0, 2.0), (8, 8), 1e-3, rotation_rad=float(np.arctan2(20, 30))))
    assert len(perceive.atoms(turned, id="c", key=keys.keys(0)).positions_nm) == 2


def test_its_noise_is_as_stated_and_of_its_key(small_film) -> None:
    perceive = Perceive(Embedded(small_film()), TwinDetector(noise_nm=0.5))
    root = keys.keys(3)
    answers = np.stack([perceive.atoms(WHOLE, id="a", key=keys.fold(root, i)).positions_nm for i in range(400)])
    assert answers.std(0) == pytest.approx(0.5, abs=0.08)
    again = perceive.atoms(WHOLE, id="a", key=keys.fold(root, 7)).positions_nm
    assert np.array_equal(again, answers[7])


def test_a_finder_reads_an_image_and_the_image_has_its_cost(small_film) -> None:
    atoms = Perceive(Embedded(small_film()), Brightest()).atoms(WHOLE, id="a", key=keys.keys(0))
    assert atoms.positions_nm.shape == (1, 2)
    assert (atoms.source, atoms.noise_nm, atoms.cost.seconds) == ("brightest pixel", None, 2.0)


def test_who_cannot_answer_says_so(small_film) -> None:
    with pytest.raises(NotSupported, match="give a finder"):
        Perceive(Embedded(small_film()), None)
    with pytest.raises(NotSupported, match="atoms_nm"):
        Perceive(Embedded(Flat()), TwinDetector(0.0)).atoms(WHOLE, id="a", key=keys.keys(0))

    class Real:
        def describe(self):
            return Flat().describe()

    with pytest.raises(NotSupported, match="no twin"):
        Perceive(Real(), TwinDetector(0.0))
