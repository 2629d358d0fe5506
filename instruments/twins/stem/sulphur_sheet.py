"""A monolayer of MoS2 or WS2 that loses sulphur under the beam: looking destroys, writing uses it.

The state is which sites hold an atom. Every electron that lands adds hazard to the atoms that the probe and its tails
touch; sulphur is lost, hops into vacancies, and is etched at holes at exact instants inside of dwells, frames and
paths; vacancies heal and hop with time. Metal that keeps fewer than `fewest_sulphur` of its six neighbours leaves, and
that is a hole. The probe is the diffraction pattern of the aperture with the source's size, by radius, to 1 nm.

What a matching prior does not know, each switched off at 0: drift of the sample (`drift_nm_s`, the largest), the
disorder of the sites' cross sections (`disorder`), healing, hops, etching, contamination and charging (factors of what
is drawn; charging is off by default).
Every world draws its own cross sections and speeds (`sulphur_world.HIDDEN`). Scenarios: `shifted`, sulphur is lost
faster than any prior expects, and more from the entrance side; `misspecified`, sulphur beside a vacancy is lost faster,
and a parked beam is 0.03 to 0.06 nm from where a scanned one is.

Not modelled: aberrations (the probe is round), scan jitter, tilt, relaxation of atoms, adatoms. Healing and
hops that need no beam are done after the exposures of each request, for its whole time. `AtomPositions` is an ideal
detector of columns at the price of the frame: counts are Poisson, positions as exact as the counts allow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.batch import CostBatch, RequestBatch, ResultBatch
from instruments.capabilities import Calibration, Capabilities, Field
from instruments.cost import ELECTRONS_PER_PA_S
from instruments.errors import InvalidRequest
from instruments.keys import Keys
from instruments.measurement import Axis
from instruments.twins.reach import column, shared, within
from instruments.twins.scenario import scenario_name
from instruments.twins.stem.columns import Look, seen
from instruments.twins.stem.eels import Spectrometer
from instruments.twins.stem.exposures import Exposures, exposures, frames_of, part_of, pixel_axes
from instruments.twins.stem.probed_sheet import ProbedSheet
from instruments.twins.stem.samples.dichalcogenide import Dichalcogenide
from instruments.twins.stem.samples.sites import Sites
from instruments.twins.stem.sulphur_world import LOG, World, cross_sections_nm2, draw, headings, shares
from physics_priors.beam import charging, contamination
from physics_priors.beam.etching import arrival_per_s
from physics_priors.beam.knock_on import BARN_NM2
from physics_priors.beam.sulphur import RANGE_KEV
from physics_priors.bounds import Bounds, violations
from physics_priors.optics.probe import Column

Floats = NDArray[np.float64]
Factor = Annotated[float, Bounds("", 0.0, 100.0)]
IMAGE: Final = {"haadf": "counts"}
SPECTRUM: Final = {"eels": "counts"}
_PIXEL_NM: Final = 0.05
"""Of the fluence map."""


@dataclass(frozen=True)
class SulphurSheet:
    """The twin; see the module's text. Positions are in the sample frame, the field is the whole sheet, repeating."""

    changing: ClassVar[tuple[str, ...]] = (
        "clock_s",
        "registered_nm",
        "species",
        "landed",
        "log",
        "logged",
        "loaded",
        "charge_V",
    )

    sample: Dichalcogenide = field(default_factory=lambda: Dichalcogenide("W", 4.0, 4.0))
    energy_keV: Annotated[float, RANGE_KEV] = 60.0
    current_pA: Annotated[float, Bounds("pA", 0.0, 1000.0, open_low=True)] = 20.0
    convergence_mrad: Annotated[float, Bounds("mrad", 5.0, 100.0)] = 30.0
    source_nm: Annotated[float, Bounds("nm", 0.0, 0.5)] = 0.08
    carbon_nm2: Annotated[float, Bounds("nm^2", 1e-6, 1e-3)] = 5e-5
    """Cross section of carbon for scattering onto the detector: what makes counts of electrons."""
    fewest_sulphur: Annotated[int, Bounds("atoms", 0, 6)] = 2
    disorder: Annotated[float, Bounds("", 0.0, 2.0)] = 0.2
    """Standard deviation of the logarithm of the sites' cross sections."""
    drift_nm_s: Annotated[float, Bounds("nm/s", 0.0, 1.0)] = 0.005
    healing: Factor = 1.0
    hopping: Factor = 1.0
    idle_hop_s: Annotated[float, Bounds("1/s", 0.0, 10.0)] = 0.0
    """Hops of a vacancy's neighbour per second that need no beam."""
    etching: Factor = 1.0
    contamination: Factor = 1.0
    charging: Factor = 0.0
    """Of how far the charge of an insulating or badly connected sheet moves the beam; off by default."""
    latency_s: Annotated[float, Bounds("s", 0.0, 60.0)] = 0.05
    """Blanked time before every request: software, settling."""
    flyback_s: Annotated[float, Bounds("s", 0.0, 0.1)] = 6e-5
    counting_noise: bool = True
    spectrometer: Spectrometer = field(default_factory=lambda: Spectrometer(channels=320, dispersion_eV=1.0))

    def __post_init__(self) -> None:
        if said := violations(self):
            raise InvalidRequest("SulphurSheet: " + "; ".join(said))

    def describe(self) -> Capabilities:
        return self._capabilities

    @cached_property
    def _capabilities(self) -> Capabilities:
        kinds = ("ScanImage", "SubScan", "Dwell", "BeamPath")
        atoms = {"position": "nm", "intensity": "counts/electron", "species": ""}
        return Capabilities(
            name="sulphur_sheet",
            family="STEM",
            simulated=True,
            requests=frozenset({*kinds, "AtomPositions", "PointSpectrum", "Register"}),
            field=Field((0.0, 0.0), self.sites.extent_nm),
            channels={**dict.fromkeys(kinds, IMAGE), "AtomPositions": atoms, "PointSpectrum": SPECTRUM, "Register": {}},
            calibration=Calibration(
                current_pA=self.current_pA,
                flyback_s=self.flyback_s,
                beam_energy_keV=self.energy_keV,
                convergence_mrad=self.convergence_mrad,
            ),
            limits={
                "dwell_s": Bounds("s", 1e-8, 100.0),
                "longest_s": Bounds("s", 1e-6, 600.0),
                "exposure_s": Bounds("s", 1e-6, 600.0),
                "sample_s": Bounds("s", 1e-6, 600.0),
                "shift_nm": Bounds("nm", -100.0, 100.0),
            },
            episodes=True,
        )

    def begin(self, keys: Keys, scenario: Mapping[str, Any]) -> World:
        own, rows = random.fold(keys, 0), len(keys)
        hidden = draw(own, scenario_name(scenario))
        speed = self.drift_nm_s * random.uniform(random.fold(own, 3), 1)
        shape = [max(1, round(side / _PIXEL_NM)) for side in reversed(self.sites.extent_nm)]
        return World(
            clock_s=np.zeros(rows),
            registered_nm=np.zeros((rows, 2)),
            species=self.sample.populate(random.fold(own, 2)),
            landed=np.zeros((rows, *shape)),
            log=np.zeros((rows, LOG, 4)),
            logged=np.zeros(rows, dtype=np.int64),
            loaded=np.zeros((rows, len(self.sites)), dtype=bool),
            charge_V=np.zeros(rows),
            hidden=hidden,
            loss_nm2=cross_sections_nm2(
                own, hidden, self.sample.metal, self.energy_keV, self.sites.kind, self.disorder
            ),
            drift_nm_s=speed * headings(own, 4),
            park_nm=hidden["park_nm"][:, None] * headings(own, 5),
            bent=headings(own, 6),
        )

    def price(self, world: World, batch: RequestBatch) -> CostBatch:
        within(self.describe(), batch)
        exposed = np.zeros(batch.rows) if batch.kind == "Register" else exposures(batch, self.flyback_s).whole_s
        return self._cost(exposed)

    def perform(self, world: World, batch: RequestBatch, keys: Keys) -> tuple[World, ResultBatch]:
        return self._perform(world, batch, keys, 1.0)

    def perform_part(self, world: World, batch: RequestBatch, keys: Keys, reached: float) -> tuple[World, ResultBatch]:
        """The same request with the same keys, ended at the fraction `reached` of its time."""
        return self._perform(world, batch, keys, reached)

    def flawless(self) -> SulphurSheet:
        return replace(self, counting_noise=False, drift_nm_s=0.0)

    def truth(self, world: World, row: int) -> Mapping[str, Any]:
        """Species and places of all sites, fluence map [e/A^2], log of events, hidden numbers, drift [nm]."""
        kept = min(int(world.logged[row]), LOG)
        return {
            "positions_nm": self.sites.positions_nm,
            "species": world.species[row],
            "home": self.sites.species,
            "kind": self.sites.kind,
            "fluence_e_A2": self.fluence_e_A2(world, row),
            "events": world.log[row, :kept],
            "drift_nm": self._drift(world, world.clock_s[:, None])[row, 0],
            "loss_barn": world.loss_nm2[row] / BARN_NM2,
            "probe_peak_1_nm2": np.array([self.probed.tables[1][0, 0]]),
            "extent_nm": np.array(self.sites.extent_nm),
            "park_nm": world.park_nm[row],
            "charge_V": world.charge_V[row],
            "parameters": {name: float(values[row]) for name, values in world.hidden.items()},
        }

    def fluence_e_A2(self, world: World, row: int) -> Floats:
        """Electrons per square angstrom by the real probe, [rows, columns]; its integral is current times time."""
        return self.probed.fluence_e_A2(world.landed[row])

    @property
    def sites(self) -> Sites:
        """The sheet's lattice."""
        return self.sample.sites()

    @cached_property
    def probed(self) -> ProbedSheet:
        """What the kernels look up."""
        return ProbedSheet(self.sites, Column(self.energy_keV, self.convergence_mrad, self.source_nm), self.carbon_nm2)

    def _perform(self, world: World, batch: RequestBatch, keys: Keys, reached: float) -> tuple[World, ResultBatch]:
        within(self.describe(), batch)
        if batch.kind == "Register":
            return self._registered(world, batch, reached)
        asked = exposures(batch, self.flyback_s)
        limit_s = np.maximum(reached * (asked.whole_s + self.latency_s) - self.latency_s, 0.0)
        limit_s = asked.limit_s if reached == 1.0 else np.minimum(asked.limit_s, limit_s)
        exposed, counts, spent_s = self._exposed(world, asked, limit_s, keys)
        after, cost = self._waited(exposed, spent_s, keys), self._cost(spent_s)
        if batch.kind == "AtomPositions":
            values, axes = self._atoms_seen(world, after, batch, asked, spent_s, keys)
        elif batch.kind == "PointSpectrum":
            values, axes = self._spectra(world, exposed, asked, spent_s, keys)
        else:
            values, axes = _signals(batch, counts[:, asked.counted])
        units = {name: self.describe().channels[batch.kind][name] for name in values}
        done, where = np.ones(batch.rows, dtype=bool), asked.places_nm.mean(axis=1)
        return after, ResultBatch(batch.kind, values, units, axes, done, cost, where)

    def _registered(self, world: World, batch: RequestBatch, reached: float) -> tuple[World, ResultBatch]:
        cost = self._cost(np.zeros(batch.rows)).scaled(reached)
        shift = np.array(column(batch, "shift_nm"), dtype=np.float64)
        after = replace(world, registered_nm=shift, clock_s=world.clock_s + cost.seconds)
        return after, ResultBatch(
            batch.kind, {}, {}, {}, np.ones(batch.rows, dtype=bool), cost, np.zeros((batch.rows, 2))
        )

    def _exposed(self, world: World, asked: Exposures, limit_s: Floats, keys: Keys) -> tuple[World, Floats, Floats]:
        """The worlds after the exposures, the counts [B, K] and the seconds of exposure [B]."""
        from instruments.twins.stem import sulphur_kernel

        species, log, landed = world.species.copy(), world.log.copy(), world.landed.copy()
        logged, spent, loaded = world.logged.copy(), np.zeros(len(keys)), world.loaded.copy()
        counts, places = np.empty(asked.places_nm.shape[:2]), self._material_nm(world, asked)
        flux, background = self.current_pA * ELECTRONS_PER_PA_S, self._background(world)
        start_s = world.clock_s + self.latency_s
        for row in range(len(keys)):
            spent[row], logged[row] = sulphur_kernel.expose(
                places[row], asked.seconds[row], limit_s[row], flux, background[row], asked.until[row],
                self.counting_noise, keys[row], self.probed.lattice, self.probed.tables, self._rates(world, row),
                species[row], log[row], logged[row], start_s[row], counts[row], landed[row], loaded[row],
                self.latency_s,
            )  # fmt: skip
        charge_V = self._potential_V(world, spent[:, None])[:, 0]
        after = replace(world, species=species, log=log, landed=landed, logged=logged, loaded=loaded, charge_V=charge_V)
        return after, counts, spent

    def _waited(self, world: World, spent_s: Floats, keys: Keys) -> World:
        """What happened with time, beam or no beam, and the clock set."""
        from instruments.twins.stem import sulphur_kernel

        seconds = spent_s + self.latency_s
        heal_s = self.healing * world.hidden["healing_per_s"]
        if heal_s.any() or self.idle_hop_s:
            for row in range(len(keys)):
                world.logged[row] = sulphur_kernel.wait(
                    seconds[row], heal_s[row], self.idle_hop_s, keys[row], self.probed.lattice, self.fewest_sulphur,
                    world.species[row], self.sites.species, world.log[row], world.logged[row], world.clock_s[row],
                )  # fmt: skip
        return replace(world, clock_s=world.clock_s + seconds)

    def _atoms_seen(
        self, before: World, after: World, batch: RequestBatch, asked: Exposures, spent_s: Floats, keys: Keys
    ) -> tuple[dict[str, Floats], dict[str, tuple[Axis, ...]]]:
        """The columns of each frame as they stood at its end, with the noise of the frame's own counts."""
        frames = frames_of(batch)
        area_nm2 = np.array([frame.size_nm[0] * frame.size_nm[1] for frame in frames])
        pixels_s = np.array([frame.dwell_s * asked.counted.sum() for frame in frames])
        fluence = self.current_pA * ELECTRONS_PER_PA_S * spent_s * (pixels_s / asked.whole_s) / area_nm2
        moved = (
            before.registered_nm - self._drift(before, (before.clock_s + self.latency_s + spent_s / 2)[:, None])[:, 0]
        )
        look = Look(
            fluence=fluence,
            bright=np.stack([self.probed.brightness(row) for row in after.species]) + self._background(before)[:, None],
            own=np.stack([self.probed.columns.strength(row, self.probed.strength) for row in after.species]),
            heavy=np.stack([self.probed.columns.heaviest(row) for row in after.species]),
            moved=moved,
            peak=self.probed.peak_1_nm2,
        )
        found = seen(self.probed.columns, frames, look, random.fold(keys, 7), self.counting_noise)
        atom = Axis("atom", "", np.arange(float(len(self.probed.columns.positions_nm))))
        axes = {"position": (atom, Axis("coordinate", "", np.arange(2.0))), "intensity": (atom,), "species": (atom,)}
        return found, axes

    def _spectra(
        self, before: World, after: World, asked: Exposures, spent_s: Floats, keys: Keys
    ) -> tuple[dict[str, Floats], dict[str, tuple[Axis, ...]]]:
        """Energy-loss spectra [B, channels] of what stood under the parked probe while it was there."""
        from instruments.twins.draws import poisson_counts

        place = self._material_nm(before, asked)[:, 0]
        electrons = self.current_pA * ELECTRONS_PER_PA_S * spent_s
        begin_s = before.clock_s + self.latency_s
        expected = np.empty((len(keys), self.spectrometer.channels))
        for row in range(len(keys)):
            stood = shares(self.sites, before, after, row, begin_s[row], spent_s[row])
            expected[row] = electrons[row] * self.probed.chances(self.spectrometer, place[row], stood)
        counts = poisson_counts(expected, random.fold(keys, 8)) if self.counting_noise else expected
        axis = Axis("energy_loss", "eV", self.spectrometer.loss_eV)
        return {"eels": counts}, {"eels": (axis,)}

    def _cost(self, exposed_s: Floats) -> CostBatch:
        nothing = np.zeros(len(exposed_s))
        return CostBatch(exposed_s + self.latency_s, self.current_pA * ELECTRONS_PER_PA_S * exposed_s, nothing, nothing)

    def _material_nm(self, world: World, asked: Exposures) -> Floats:
        """What really lies under the beam, [B, K, 2]: drift moves the sample, a parked beam is off by `park_nm`."""
        middle = np.cumsum(asked.seconds, axis=1) - asked.seconds / 2
        drift = self._drift(world, world.clock_s[:, None] + self.latency_s + middle)
        off = world.registered_nm + (world.park_nm if asked.parked else 0.0)
        bent = self.charging * world.hidden["shift_nm_V"][:, None] * self._potential_V(world, middle)
        return np.ascontiguousarray(asked.places_nm + off[:, None] + bent[..., None] * world.bent[:, None] - drift)

    def _potential_V(self, world: World, exposed_s: Floats) -> Floats:
        """Charge of the sheet [B, K] after `latency_s` of leaking and a time [B, K] of exposure."""
        per_pA, leak_s = (world.hidden[name][:, None] for name in ("potential_V_pA", "leak_s"))
        leaked = charging.potential_V(world.charge_V[:, None], 0.0, self.latency_s, per_pA, leak_s)
        return charging.potential_V(leaked, self.current_pA, exposed_s, per_pA, leak_s)

    def _drift(self, world: World, time_s: Floats) -> Floats:
        """Where the sample frame lies in the scanner's, [B, K, 2] nm at times [B, K]."""
        return np.asarray(time_s[..., None] * world.drift_nm_s[:, None])

    def _background(self, world: World) -> Floats:
        """Counts per electron [B] from contamination, which grows with the electrons on the sheet."""
        area_A2 = 100.0 * self.sites.extent_nm[0] * self.sites.extent_nm[1]
        grown = (world.hidden[name] for name in contamination.CONTAMINATION.names)
        electrons = np.array(
            [landed.sum() for landed in world.landed]
        )  # row by row: a sum's order must not depend on B
        layer = contamination.thickness_nm(electrons / area_A2, *grown)
        return np.asarray(self.contamination * contamination.background_fraction(layer))

    def _rates(self, world: World, row: int) -> tuple[Floats, float, float, float, float, float]:
        """What the kernel takes: loss, hop, factor beside vacancies, gas, dissociation, fewest sulphur."""
        hidden = {name: float(values[row]) for name, values in world.hidden.items()}
        gas = self.etching * hidden["sticking"] * float(arrival_per_s(hidden["pressure_Pa"]))
        return (
            world.loss_nm2[row],
            self.hopping * hidden["hop_barn"] * BARN_NM2,
            hidden["near_factor"],
            gas,
            hidden["dissociation_barn"] * BARN_NM2,
            float(self.fewest_sulphur),
        )


def _signals(batch: RequestBatch, counts: Floats) -> tuple[dict[str, Floats], dict[str, tuple[Axis, ...]]]:
    """The recorded counts in the shape of the request, with axes."""
    if batch.kind == "Dwell":
        times = np.asarray((np.arange(counts.shape[1]) + 0.5) * float(shared(batch, "sample_s")), dtype=np.float64)
        return {"haadf": counts}, {"haadf": (Axis("time", "s", times),)}
    if batch.kind == "BeamPath":
        return {"haadf": counts}, {"haadf": (Axis("point", "", np.arange(float(counts.shape[1]))),)}
    frame = frames_of(batch)[0]
    y, x = pixel_axes(frame, *part_of(batch, frame))
    return {"haadf": counts.reshape(-1, len(y), len(x))}, {"haadf": (Axis("y", "nm", y), Axis("x", "nm", x))}
