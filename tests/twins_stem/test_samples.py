from pathlib import Path

import numpy as np
import pytest

from instruments import keys
from instruments.errors import DataInvalid, InvalidRequest
from instruments.twins.stem.samples import (
    Dichalcogenide,
    Graphene,
    Nanoparticle,
    Sites,
    StrontiumTitanate,
    StructureFile,
    TitanateInterface,
)

THREE = keys.keys([1, 2, 3])


def bonds(sites: Sites) -> np.ndarray:
    """Lengths of all bonds, the shortest images."""
    first, place = np.nonzero(sites.neighbours >= 0)
    way = sites.positions_nm[sites.neighbours[first, place]] - sites.positions_nm[first]
    if sites.periodic:
        box = np.array(sites.extent_nm)
        way[:, :2] -= box * np.round(way[:, :2] / box)
    return np.linalg.norm(way, axis=1)


def test_graphene_is_a_honeycomb() -> None:
    sites = Graphene(6.0, 5.0).sites()
    assert np.all((sites.neighbours >= 0).sum(1) == 3)
    np.testing.assert_allclose(bonds(sites), 0.1420, atol=1e-4)
    width, height = sites.extent_nm
    assert len(sites) / (width * height) == pytest.approx(38.2, rel=1e-3)


def test_neighbours_are_mutual_and_counter_clockwise() -> None:
    sites = Graphene().sites()
    for site in (0, 17, 300):
        near = sites.neighbours[site]
        assert all(site in sites.neighbours[other] for other in near)
        way = sites.positions_nm[near, :2] - sites.positions_nm[site, :2]
        way -= np.array(sites.extent_nm) * np.round(way / np.array(sites.extent_nm))
        azimuth = np.mod(np.round(np.arctan2(way[:, 1], way[:, 0]), 6), 6.283185)
        assert np.all(np.diff(azimuth) > 0)


def test_dopants_are_counted_and_apart() -> None:
    recipe = Graphene(silicon=4, nitrogen=3, phosphorus=2, vacancies=2)
    sites, species = recipe.sites(), recipe.populate(THREE)
    assert not np.array_equal(species[0], species[1])
    for row in species:
        found, count = np.unique(row, return_counts=True)
        assert dict(zip(found.tolist(), count.tolist(), strict=True)) == {0: 2, 6: 565, 7: 3, 14: 4, 15: 2}
        special = np.flatnonzero(row != 6)
        assert np.all(row[sites.neighbours[special]] == 6)


def test_a_world_does_not_depend_on_the_others() -> None:
    recipe = Graphene(silicon=2, vacancies=1)
    np.testing.assert_array_equal(recipe.populate(THREE)[1], recipe.populate(THREE[1:2])[0])


def test_open_edges_have_fewer_neighbours() -> None:
    sites = Graphene(edge="open").sites()
    assert not sites.periodic
    assert set((sites.neighbours >= 0).sum(1)) == {1, 2, 3}


def test_a_grain_boundary_turns_the_grains_apart() -> None:
    sites = Graphene(6.0, 6.0, boundary_deg=21.8).sites()
    lengths = bonds(sites)
    assert lengths.min() > 0.1
    for side, turn in ((-1, 10.9), (1, -10.9)):
        deep = np.flatnonzero((side * sites.positions_nm[:, 0] > 1) & (np.abs(sites.positions_nm[:, :2]).max(1) < 2.5))
        way = sites.positions_nm[sites.neighbours[deep, 0], :2] - sites.positions_nm[deep, :2]
        found = np.mod(np.degrees(np.arctan2(way[:, 1], way[:, 0])) - 30.0 + 30.0, 60.0) - 30.0
        assert np.median(found) == pytest.approx(turn if abs(turn) < 30 else 0.0, abs=0.2)


@pytest.mark.parametrize(("metal", "number"), [("Mo", 42), ("W", 74)])
def test_a_monolayer_has_two_sulphur_planes(metal: str, number: int) -> None:
    recipe = Dichalcogenide(metal, top_vacancies=3, bottom_vacancies=1)  # type: ignore[arg-type]
    sites = recipe.sites()
    of = {kind: sites.of_kind(kind) for kind in sites.kinds}
    assert len(of["metal"]) == len(of["sulphur_top"]) == len(of["sulphur_bottom"])
    assert np.all(sites.species[of["metal"]] == number)
    assert sites.positions_nm[of["sulphur_top"], 2].max() < sites.positions_nm[of["sulphur_bottom"], 2].min()
    assert np.all((sites.neighbours[of["metal"]] >= 0).sum(1) == 6)
    assert np.all(sites.kind[sites.hops] == sites.kind[:, None])
    species = recipe.populate(THREE)
    assert np.all((species[:, of["sulphur_top"]] == 0).sum(1) == 3)
    assert np.all((species[:, of["sulphur_bottom"]] == 0).sum(1) == 1)


def test_an_alloy_has_its_share_of_rhenium() -> None:
    recipe = Dichalcogenide(rhenium=0.3, width_nm=20.0, height_nm=20.0)
    species = recipe.populate(THREE)[:, recipe.sites().of_kind("metal")]
    count = species.shape[1]
    assert np.all(np.abs((species == 75).mean(1) - 0.3) < 4 * np.sqrt(0.21 / count))


def test_strontium_titanate() -> None:
    recipe = StrontiumTitanate(oxygen_vacancies=5)
    sites = recipe.sites()
    assert (sites.species == 8).sum() == 3 * (sites.species == 22).sum() == 3 * (sites.species == 38).sum()
    np.testing.assert_allclose(bonds(sites), 0.19525, atol=1e-5)
    assert np.all((recipe.populate(THREE) == 0).sum(1) == 5)


@pytest.mark.parametrize(("polarisation", "sign"), [("up", -1), ("down", 1)])
def test_the_film_is_polar(polarisation: str, sign: int) -> None:
    sites = TitanateInterface(polarisation=polarisation).sites()  # type: ignore[arg-type]
    y = {kind: np.unique(np.round(sites.positions_nm[sites.of_kind(kind), 1], 5)) for kind in sites.kinds}
    lead = np.unique(np.round(sites.positions_nm[sites.species == 82, 1], 5))
    titanium = y["b_site"][y["b_site"] > lead[0]]
    from_middle = titanium - (lead + 0.4156 / 2)
    np.testing.assert_allclose(from_middle, sign * 0.0377 * 0.4156, atol=1e-4)


def test_a_particle_has_bulk_inside() -> None:
    sites = Nanoparticle("Pt", shells=7).sites()
    assert set(sites.species) == {78}
    assert (sites.neighbours >= 0).sum(1).max() == 12


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "own.xyz"
    path.write_text("3\n\nC 0 0 0\nC 1.42 0 0\nSi 2.9 1.0 0\n")
    sites = StructureFile(str(path)).sites()
    assert sites.kinds == ("C", "Si")
    assert sites.species.tolist() == [6, 6, 14]
    assert sites.neighbours[0].tolist()[0] == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2\n\nC 0 0 0\nC 0.1 0 0\n", "overlap"),
        ("2\n\nX 0 0 0\nC 3 0 0\n", "unknown element"),
        ("1\n\nQq 0 0 0\n", "not a structure"),
        ("0\n\n", "no atoms|not a structure"),
    ],
)
def test_an_impossible_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "own.xyz"
    path.write_text(text)
    with pytest.raises(DataInvalid, match=said):
        StructureFile(str(path)).sites()


def test_impossible_recipes_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="width_nm"):
        Graphene(width_nm=-1.0)
    with pytest.raises(InvalidRequest, match="metal"):
        Dichalcogenide("Fe")  # type: ignore[arg-type]
    with pytest.raises(DataInvalid, match="no room"):
        Graphene(1.5, 1.5, silicon=100).populate(THREE)
    with pytest.raises(DataInvalid, match="no sites of kind"):
        Graphene().sites().of_kind("metal")
