"""A STEM with graphene in it: every electron is booked where it falls, and atoms answer to it event by event.

The state is which atoms stand where. A parked, scanned or idle beam makes silicon change places with the carbon that
it hits, throws carbon out, turns bonds and turns them back, makes silicon fourfold, moves vacancies; adatoms fill them
with time. All of it happens at exact instants inside of dwells, frames and paths, and the detector's trace shows it as
it happens. How often silicon hops is a law that can be exchanged (`law`, see `physics_priors.hops.laws`).

What a matching prior does not know, each switched off at 0: the spread of the rates between samples (`hop_spread`), of
the sites (`disorder`) and directions (`anisotropy`), the other events (`channels`), a parked beam that is not where a
scanned one is (`aim_nm`), tails of the probe (`tail_fraction`), drift (`drift_nm_s`), a wrong scale of the scan
(`scale_error`), contamination (`contamination`), and what the scan does wrong (`distortions`). Scenarios: `shifted`,
hops are five times as fast; `misspecified`, directions differ threefold more and a parked beam is 0.05 nm off.

`AtomPositions` is an ideal detector of atoms at the price and dose of its frame: counts are Poisson, positions as exact
as the counts allow, species are true; within its frame the drift is that of the middle. Not modelled: adatoms as
things that are seen, relaxation around a defect, silicon in two vacancies as its own structure (it is a flag here),
charging. Where sheets end, the map of electrons repeats. Sulphur's losses are `sulphur_sheet`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from instruments import keys as random
from instruments.batch import CostBatch, RequestBatch, ResultBatch
from instruments.capabilities import Capabilities, Field
from instruments.cost import ELECTRONS_PER_PA_S
from instruments.errors import InvalidRequest, NotSupported
from instruments.keys import Keys
from instruments.twins.reach import within
from instruments.twins.scenario import scenario_name
from instruments.twins.stem import event_requests, event_tables, exposed
from instruments.twins.stem.detector import Detector
from instruments.twins.stem.eels import Spectrometer
from instruments.twins.stem.event_tables import Block, Optics, Tails
from instruments.twins.stem.event_tuples import ENTRY, MEMORY, MOST_BOOKED
from instruments.twins.stem.fluence import map_shape, spread_electrons
from instruments.twins.stem.samples.graphene import Graphene
from instruments.twins.stem.samples.sites import Recipe, Sites
from instruments.twins.stem.scan import Distortions
from instruments.twins.stem.world import (
    AIM_X,
    AIM_Y,
    BOOKS,
    BOTH_MAPS,
    CURRENT,
    DRIFT_X,
    DRIFT_Y,
    EVENTS,
    FACTOR,
    LOG,
    LOGGED,
    MOVING_COLUMNS,
    NO_MAP,
    REGISTERED_X,
    SCALE,
    STAGE_X,
    TOUCHED,
    Effects,
    World,
    drawn,
    packed,
)  # fmt: skip
from physics_priors.beam.vibration import CARBON_12, vibrating_barn
from physics_priors.bounds import Bounds, violations
from physics_priors.hops.laws import GaussianHops, HopRates
from physics_priors.optics.aberrations import NAMES
from physics_priors.optics.probe import Column

Floats = NDArray[np.float64]
Factor = Annotated[float, Bounds("", 0.0, 100.0)]
ALL_KNOWN: Final[Mapping[str, Any]] = dict.fromkeys(
    (
        "channels",
        "hop_spread",
        "disorder",
        "anisotropy",
        "aim_nm",
        "tail_fraction",
        "drift_nm_s",
        "scale_error",
        "contamination",
    ),
    0.0,
)
"""Options that switch off all that no prior knows, but for `distortions`."""
IMAGE: Final = {"haadf": "counts"}
_BEAM: Final = ("ScanImage", "SubScan", "LineScan", "Dwell", "BeamPath")
_REST: Final = ("SetOptics", "SetAberrations", "MoveStage", "Register")
_RECORDED: Final = {"PointSpectrum": {"eels": "counts"}, "CameraFrame": {"pattern": "counts"}}
_DISPLACEMENT_EV: Final = 21.14
_VELOCITY2: Final = 3.17e5


@dataclass(frozen=True)
class StemMicroscope:
    """The twin; see the module's text. Positions are in the sample frame, the field is the whole sheet."""

    changing: ClassVar[tuple[str, ...]] = (
        "moving", "species", "bonding", "landed", "settled", "log", "booked", "remembered",
        "aberrations_nm",
    )  # fmt: skip

    sample: Recipe = field(default_factory=lambda: Graphene(4.0, 4.0, silicon=1))
    law: HopRates = field(default_factory=GaussianHops)
    column: Column = field(default_factory=Column)
    aberrations_nm: Mapping[str, float] = field(default_factory=dict)
    """At the start, by CEOS names."""
    current_pA: Annotated[float, Bounds("pA", 0.0, 1000.0, open_low=True)] = 50.0
    carbon_nm2: Annotated[float, Bounds("nm^2", 1e-6, 1e-3)] = 5e-5
    """Cross section of carbon for scattering onto the detector: what makes counts of electrons."""
    detector: Detector = field(default_factory=Detector)
    distortions: Distortions = field(default_factory=Distortions)
    spectrometer: Spectrometer = field(default_factory=Spectrometer)
    thickness_nm: Annotated[float, Bounds("nm", 0.0, 100.0)] = 0.335
    """For energy losses."""
    channels: Factor = 1.0
    """Factor of all events but hops and the knock-on of carbon."""
    knock_on: Factor = 1.0
    """Factor of the knock-on of carbon anywhere, 0 up to 80 keV in any case."""
    hop_spread: Annotated[float, Bounds("", 0.0, 2.0)] = 1.0
    """0: all samples hop as the law says; 1: from half to twice as fast."""
    disorder: Annotated[float, Bounds("", 0.0, 2.0)] = 0.2
    """Standard deviation of the logarithm of the sites' rates."""
    anisotropy: Annotated[float, Bounds("", 0.0, 2.0)] = 0.2
    """Standard deviation of the logarithm of the rates along a direction."""
    aim_nm: Annotated[float, Bounds("nm", 0.0, 0.2)] = 0.01
    tail_fraction: Annotated[float, Bounds("", 0.0, 0.9)] = 0.1
    tail_fwhm_nm: Annotated[float, Bounds("nm", 0.1, 1.0)] = 0.4
    drift_nm_s: Annotated[float, Bounds("nm/s", 0.0, 1.0)] = 0.0005
    scale_error: Annotated[float, Bounds("", 0.0, 0.1)] = 0.005
    contamination: Factor = 1.0
    latency_s: Annotated[float, Bounds("s", 0.0, 60.0)] = 0.0
    """Time before every request: software, settling."""
    blanker: bool = True
    """Without one the beam stays where it was last during `latency_s`, and counts."""
    settle_s: Annotated[float, Bounds("s", 0.0, 60.0)] = 0.5
    """Time that lenses and stage take."""
    flyback_s: Annotated[float, Bounds("s", 0.0, 0.1)] = 6e-5
    counting_noise: bool = True
    in_place: bool = False
    """Worlds given to `perform` are taken over and must not be used again: for those who never look back."""
    threads: Annotated[int, Bounds("threads", 1, 64)] = 1

    @property
    def editable(self) -> tuple[str, ...]:
        """Fields of a world that its only holder may edit; none where worlds are copied."""
        kept = ("site_keys", "hidden", *(n for n in self.changing if n != "aberrations_nm"))
        return kept if self.in_place else ()

    def filled(self, world: World) -> Mapping[str, NDArray[np.int64]]:
        """How much of the second axis of large fields may hold more than zeros [B], for whoever copies rows."""
        touched, events, lines = world.moving[:, TOUCHED], world.moving[:, LOGGED], world.moving[:, BOOKS]
        none, whole = np.zeros(len(touched), np.int64), world.landed.shape[1]
        return {
            "landed": np.where(touched == NO_MAP, none, whole),
            "settled": np.where(touched == BOTH_MAPS, whole, none),
            "log": np.minimum(events, LOG).astype(np.int64),
            "booked": np.where(touched == NO_MAP, lines, MOST_BOOKED).astype(np.int64),
        }

    def __post_init__(self) -> None:
        said = violations(self)
        said += [
            f"unknown aberration {name!r}; known: {', '.join(NAMES)}" for name in set(self.aberrations_nm) - set(NAMES)
        ]
        if said:
            raise InvalidRequest("StemMicroscope: " + "; ".join(said))

    def describe(self) -> Capabilities:
        return self._capabilities

    @cached_property
    def _capabilities(self) -> Capabilities:
        atoms = {"position": "nm", "intensity": "counts/electron", "species": ""}
        return Capabilities(
            name="stem_microscope",
            family="STEM",
            simulated=True,
            requests=frozenset({*_BEAM, *_REST, *_RECORDED, "AtomPositions"}),
            field=Field((0.0, 0.0), self.sites.extent_nm),
            channels={
                **dict.fromkeys(_BEAM, IMAGE),
                "AtomPositions": atoms,
                **{kind: {} for kind in _REST},
                **_RECORDED,
            },
            calibration=exposed.calibration(self),
            limits={
                "dwell_s": Bounds("s", 1e-8, 100.0),
                "longest_s": Bounds("s", 1e-6, 600.0),
                "sample_s": Bounds("s", 1e-6, 600.0),
                "exposure_s": Bounds("s", 1e-6, 600.0),
                "current_pA": Bounds("pA", 0.0, 1000.0),
            },
            blanker=self.blanker,
            episodes=True,
        )

    def begin(self, keys: Keys, scenario: Mapping[str, Any]) -> World:
        name, own, rows = scenario_name(scenario), random.fold(keys, 0), len(keys)
        moving = np.zeros((rows, MOVING_COLUMNS))
        moving[:, CURRENT] = self.current_pA
        shape = (rows, *map_shape(self.sites.extent_nm, self.column))
        start = [complex(self.aberrations_nm.get(name, 0.0)) for name in NAMES]
        species = self.sample.populate(random.fold(own, 2)).astype(np.int8)
        return World(
            site_keys=random.fold(own, 1),
            hidden=packed(drawn(own, name), self._effects, name),
            moving=moving,
            species=species,
            bonding=np.zeros_like(species),
            landed=np.zeros(shape),
            settled=np.zeros(shape),
            log=np.zeros((rows, LOG, 4)),
            booked=np.zeros((rows, MOST_BOOKED, ENTRY)),
            remembered=np.zeros((rows, MEMORY)),
            aberrations_nm=np.tile(np.array(start), (rows, 1)),
        )

    def price(self, world: World, batch: RequestBatch) -> CostBatch:
        within(self.describe(), batch)
        event_requests.allowed(self, world, batch)
        beam_s, idle_s = event_requests.longest_s(self, batch)
        return self.cost(world, np.full(batch.rows, 1.0) * beam_s, idle_s)

    def perform(self, world: World, batch: RequestBatch, keys: Keys) -> tuple[World, ResultBatch]:
        return event_requests.PERFORMS[self._known(batch.kind)](self, world, batch, keys, 1.0)

    def perform_part(self, world: World, batch: RequestBatch, keys: Keys, reached: float) -> tuple[World, ResultBatch]:
        """The same request with the same keys, ended at the fraction `reached` of its time."""
        if self.in_place:
            raise NotSupported("a twin that works in place cannot end a request early")
        return event_requests.PERFORMS[self._known(batch.kind)](self, world, batch, keys, reached)

    def flawless(self) -> StemMicroscope:
        return replace(self, counting_noise=False, drift_nm_s=0.0, aim_nm=0.0, scale_error=0.0)

    def truth(self, world: World, row: int) -> Mapping[str, Any]:
        """Atoms and where they stand, fluence map [e/A^2], log of events, hidden numbers, rates of silicon."""
        hidden = world.hidden[row]
        silicon = np.flatnonzero(world.species[row] == 14)
        return {
            "positions_nm": self.positions_nm(world, row),
            "species": world.species[row],
            "home": self.sites.species,
            "bonding": world.bonding[row],
            "neighbours": self.sites.neighbours,
            "fluence_e_A2": self.fluence_e_A2(world, row),
            "events": world.events(row),
            "event_names": list(EVENTS),
            "drift_nm": world.clock_s[row] * hidden[DRIFT_X : DRIFT_Y + 1],
            "aim_nm": hidden[AIM_X : AIM_Y + 1],
            "scale": hidden[SCALE],
            "hop_factor": hidden[FACTOR],
            "registered_nm": world.moving[row, REGISTERED_X : REGISTERED_X + 2],
            "stage_nm": world.moving[row, STAGE_X : STAGE_X + 2],
            "extent_nm": np.array(self.sites.extent_nm),
            "silicon": silicon,
            "best_rates_s": self.best_rates_s(world, row, silicon),
        }

    def positions_nm(self, world: World, row: int) -> Floats:
        """Where every atom [N, 2] stands."""
        from instruments.twins.stem.event_pairs import turned

        place = self.sites.positions_nm[:, :2].copy()
        for site in np.flatnonzero(world.bonding[row] >= 2):
            place[site] += turned(site, world.bonding[row, site] - 2, self.shared)
        return place

    def best_rates_s(self, world: World, row: int, sites: NDArray[np.int64]) -> Floats:
        """The largest rate to each neighbour [n, K] of some dopants that any place of the beam gives, NaN for none."""
        from instruments.twins.stem.event_rates import best_rates

        return best_rates(self, world, row, sites)

    def fluence_e_A2(self, world: World, row: int) -> Floats:
        """Electrons per square angstrom by the real probe, [rows, columns]; its integral is current times time."""
        spread = self.spread(world, row)
        area_nm2 = self.sites.extent_nm[0] * self.sites.extent_nm[1] / spread.size
        return np.asarray((spread + world.settled[row]) / (100.0 * area_nm2))

    def spread(self, world: World, row: int) -> Floats:
        """Electrons since the lenses changed last, where they really fell [rows, columns]."""
        return spread_electrons(
            self.landed(world, row), self.sites.extent_nm, self.column, world.aberrations_nm[row], self.tails
        )

    def landed(self, world: World, row: int) -> Floats:
        """Electrons since the lenses changed last, by where the middle of the probe was [rows, columns]."""
        from instruments.twins.stem.event_books import landed_with_book

        lines, drift = int(world.moving[row, BOOKS]), world.hidden[row, DRIFT_X : DRIFT_Y + 1]
        return np.asarray(landed_with_book(world.landed[row], world.booked[row], lines, *drift, *self.sites.extent_nm))

    def cost(self, world: World, beam_s: Floats, idle_s: float) -> CostBatch:
        """Costs of `beam_s` [B] on the sample and `idle_s` more, which count too where there is no blanker."""
        seconds, nothing = beam_s + idle_s if idle_s else beam_s, np.zeros(len(beam_s))
        on_s = beam_s if self.blanker else seconds
        return CostBatch(seconds, world.moving[:, CURRENT] * (ELECTRONS_PER_PA_S * on_s), nothing, nothing)

    @cached_property
    def sites(self) -> Sites:
        """The sheet's lattice."""
        return self.sample.sites()

    @cached_property
    def shared(self) -> tuple[Any, ...]:
        """The sheet as kernels take it."""
        return event_tables.shared_tables(self.sites)

    @cached_property
    def kernels(self) -> Any:
        """The compiled requests, which load Numba."""
        from instruments.crew import in_threads
        from instruments.twins.stem import event_looks, event_rows, event_traces

        return SimpleNamespace(
            dwell=event_rows.dwell, run=event_rows.run, rest=event_rows.rest, look=event_looks.look,
            inside=event_rows.inside, in_threads=in_threads, draw_trace=event_traces.draw,
            draw_look=event_looks.draw,
        )  # fmt: skip

    @property
    def tails(self) -> Tails:
        """Of the probe."""
        return Tails(self.tail_fraction, self.tail_fwhm_nm)

    def optics(self, aberrations_nm: NDArray[np.complex128]) -> tuple[Optics, Block]:
        """Tables for one set of lenses [14], alone and with all else that kernels take; kept for the latest eight."""
        name = aberrations_nm.tobytes()
        if name not in self._tables:
            if len(self._tables) >= 8:
                self._tables.pop(next(iter(self._tables)))
            self._tables[name] = self._made(aberrations_nm)
        return self._tables[name]

    def _made(self, aberrations_nm: NDArray[np.complex128]) -> tuple[Optics, Block]:
        law, own = self.law.compiled(), self.detector
        made = event_tables.optics(self.sites, self.column, aberrations_nm, self.tails, self.carbon_nm2)
        bounds = event_tables.peaks(made, law, self.column, self.sites.bond_nm)
        readout = own.gain, own.offset, own.dark_per_s, float(own.quantised)
        return made, event_tables.packed(self.shared, made, event_tables.law_tuple(law), readout, bounds)

    def common_block(self, aberrations_nm: NDArray[np.complex128]) -> Block | None:
        """Tables of all rows [B, 14], None where they differ; remembered for the latest array, which nobody edits."""
        latest = self._latest
        if latest.get("array") is not aberrations_nm:
            alike = len(aberrations_nm) == 1 or bool((aberrations_nm == aberrations_nm[:1]).all())
            latest["block"] = self.optics(aberrations_nm[0])[1] if alike else None
            latest["array"] = aberrations_nm
        found: Block | None = latest["block"]
        return found

    @cached_property
    def _latest(self) -> dict[str, Any]:
        return {}

    @cached_property
    def _tables(self) -> dict[bytes, tuple[Optics, Block]]:
        return {}

    @cached_property
    def _effects(self) -> Effects:
        width, height = self.sites.extent_nm
        barn = float(vibrating_barn(self.column.energy_keV, 6, CARBON_12.mass_u, _DISPLACEMENT_EV, _VELOCITY2))
        return Effects(
            channels=self.channels,
            hop_spread=self.hop_spread,
            disorder=self.disorder,
            anisotropy=self.anisotropy,
            aim_nm=self.aim_nm,
            drift_nm_s=self.drift_nm_s,
            scale_error=self.scale_error,
            contamination=self.contamination,
            bulk_nm2=self.knock_on * barn * 1e-10 if barn > 1e-9 else 0.0,
            area_A2=100.0 * width * height,
        )

    def _known(self, kind: str) -> str:
        if kind not in event_requests.PERFORMS:
            known = ", ".join(sorted(self.describe().requests))
            raise NotSupported(f"stem_microscope has no {kind}; it has: {known}")
        return kind


Performs = Callable[[StemMicroscope, World, RequestBatch, Keys, float], tuple[World, ResultBatch]]
