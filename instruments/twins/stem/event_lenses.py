"""What the STEM microscope's lenses, stage and registration are set to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from instruments.batch import RequestBatch
from instruments.errors import NotSupported
from instruments.twins.reach import column, shared
from instruments.twins.stem.world import (
    BOOKS,
    BOTH_MAPS,
    CURRENT,
    REGISTERED_X,
    REGISTERED_Y,
    STAGE_X,
    STAGE_Y,
    TOUCHED,
    World,
)  # fmt: skip
from physics_priors.optics.aberrations import INDEX

if TYPE_CHECKING:
    from instruments.twins.stem.microscope import StemMicroscope

_LARGEST_NM = 1e9


def turned_to(core: StemMicroscope, world: World, batch: RequestBatch) -> World:
    """The world with what was asked for, the clock already set."""
    if batch.kind == "Register":
        world.moving[:, REGISTERED_X : REGISTERED_Y + 1] = column(batch, "shift_nm")
        return world
    if batch.kind == "MoveStage":
        shift = np.asarray(column(batch, "shift_nm"), dtype=np.float64)
        world.moving[:, STAGE_X : STAGE_Y + 1] += shift[:, :2]
        lenses = world.aberrations_nm.copy()
        lenses[:, INDEX["C1"]] += shift[:, 2]
        return _relensed(core, world, lenses)
    if batch.kind == "SetOptics" and (
        batch.each.get("current_pA") is not None or batch.shared.get("current_pA") is not None
    ):
        world.moving[:, CURRENT] = column(batch, "current_pA")
    return _relensed(core, world, lenses_of(world, batch))


def _relensed(core: StemMicroscope, world: World, lenses: NDArray[np.complex128]) -> World:
    """New lenses; what landed by the old ones is settled."""
    turned = np.flatnonzero((lenses != world.aberrations_nm).any(axis=1))
    if not len(turned):
        return world
    landed, settled, moving = world.landed.copy(), world.settled.copy(), world.moving.copy()
    for row in turned:
        settled[row] += core.spread(world, int(row))
        landed[row], moving[row, BOOKS], moving[row, TOUCHED] = 0.0, 0.0, BOTH_MAPS
    return world.changed(landed=landed, moving=moving, settled=settled, aberrations_nm=lenses)


def lenses_of(world: World, batch: RequestBatch) -> NDArray[np.complex128]:
    """The aberrations [B, 14] that a request sets; NotSupported where they make no probe."""
    lenses = _set_by_name(world, batch) if batch.kind == "SetAberrations" else _set_by_probe(world, batch)
    if np.abs(lenses).max() > _LARGEST_NM:
        raise NotSupported("stem_microscope: an aberration of more than a metre makes no probe")
    return lenses


def _set_by_name(world: World, batch: RequestBatch) -> NDArray[np.complex128]:
    lenses = world.aberrations_nm.copy()
    values = np.asarray(column(batch, "values_nm"), dtype=np.float64)
    for place, name in enumerate(shared(batch, "names")):
        step = values[:, place, 0] + 1j * values[:, place, 1]
        lenses[:, INDEX[name]] = step + (lenses[:, INDEX[name]] if shared(batch, "relative") else 0.0)
    return lenses


def _set_by_probe(world: World, batch: RequestBatch) -> NDArray[np.complex128]:
    lenses = world.aberrations_nm.copy()
    for name, own in (("defocus_nm", "C1"), ("astigmatism_nm", "A1"), ("coma_nm", "B2")):
        given = batch.each.get(name, batch.shared.get(name))
        if given is not None:
            values = np.asarray(column(batch, name), dtype=np.float64).reshape(batch.rows, -1)
            lenses[:, INDEX[own]] = values[:, 0] + (1j * values[:, 1] if values.shape[1] == 2 else 0.0)
    return lenses
