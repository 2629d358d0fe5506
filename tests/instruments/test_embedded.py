import threading
import time
from dataclasses import dataclass, replace

import numpy as np
import pytest

from instruments import keys
from instruments.batch import RequestBatch
from instruments.check.bench import Interruption, plain, same
from instruments.embedded import Embedded
from instruments.errors import Closed, DataInvalid, InvalidRequest, OutOfReach, Stopped
from instruments.requests import LineScan, PointSpectrum, Register, ScanImage
from instruments.twins.ferroelectric_film import FerroelectricFilm
from instruments.twins.flat import Flat

NEVER = threading.Event()
HERE = PointSpectrum((100.0, -50.0), 0.4)
LINE = LineScan((0.0, 0.0), (400.0, 0.0), 100, 0.01)


@dataclass
class StopAfter:
    """A stop that is set from its `polls`-th question on."""

    polls: int

    def is_set(self) -> bool:
        self.polls -= 1
        return self.polls < 0


def flat(noise: float = 0.1, pace: float = 0.0) -> Embedded:
    return Embedded(Flat(noise=noise), pace=pace)


def test_request_i_uses_the_folded_key_that_batches_use() -> None:
    twin, core, root = flat(), Flat(noise=0.1), keys.keys(7)
    twin.reset(7, {})
    world = core.begin(root, {})
    for index in range(3):
        world, result = core.perform(world, RequestBatch.of(HERE), keys.fold(root, index + 1))
        measured = twin.acquire(HERE, id=str(index), stop=NEVER)
        assert measured.channels["signal"].values.tobytes() == result.values["signal"][0].tobytes()


def test_an_id_is_carried_out_once_and_forgotten_at_reset() -> None:
    twin = flat()
    first = twin.acquire(HERE, id="a", stop=NEVER)
    other = twin.acquire(HERE, id="b", stop=NEVER)
    assert not same(first, other)
    assert twin.acquire(HERE, id="a", stop=NEVER) is first
    assert twin.snapshot()["requests"] == 2
    twin.reset(1, {})
    assert twin.lookup("a") is None


def test_two_threads_with_one_id_carry_it_out_once() -> None:
    twin = flat(pace=0.2)
    found = []
    threads = [threading.Thread(target=lambda: found.append(twin.acquire(HERE, id="a", stop=NEVER))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(found) == 4
    assert all(m is found[0] for m in found)
    assert twin.snapshot()["requests"] == 1


@pytest.mark.parametrize("polls", [20, 50, 80])
def test_a_stopped_scan_keeps_the_rows_it_reached_and_costs_that_part(polls: int) -> None:
    frame = ScanImage((0.0, 0.0), (600.0, 400.0), (40, 30), 5e-3)
    whole = Embedded(FerroelectricFilm()).acquire(frame, id="a", stop=NEVER)
    twin = Embedded(FerroelectricFilm())
    part = twin.acquire(frame, id="a", stop=StopAfter(polls))
    reached = part.cost.seconds / whole.cost.seconds
    assert not part.complete
    assert 0 < reached < 1
    assert f"{100 * reached:.0f} %" in part.note
    rows = int(reached * 40)
    for name, channel in part.channels.items():
        assert channel.values[:rows].tobytes() == whole.channels[name].values[:rows].tobytes()
        assert np.isnan(channel.values[rows:]).all()
        assert channel.values.shape == (40, 30)
    assert twin.lookup("a") is part
    assert part.cost.contact_nm_nN == pytest.approx(reached * whole.cost.contact_nm_nN)
    assert twin.snapshot()["world"]["clock_s"][0] == pytest.approx(part.cost.seconds)


def test_what_was_stopped_before_its_first_row_was_never_carried_out() -> None:
    frame = ScanImage((0.0, 0.0), (600.0, 400.0), (4, 10), 1e-3)
    twin = Embedded(FerroelectricFilm())
    before = plain(twin.snapshot())
    for polls in (0, 1):
        with pytest.raises(Stopped):
            twin.acquire(frame, id="a", stop=StopAfter(polls))
    assert plain(twin.snapshot()) == before
    assert twin.lookup("a") is None
    fresh = Embedded(FerroelectricFilm()).acquire(frame, id="a", stop=NEVER)
    assert same(twin.acquire(frame, id="a", stop=NEVER), fresh)


def test_a_stop_set_before_leaves_an_instant_request_undone() -> None:
    twin = Embedded(FerroelectricFilm())
    with pytest.raises(Stopped):
        twin.acquire(Register((5.0, 0.0)), id="a", stop=StopAfter(0))
    assert twin.snapshot()["world"]["registered_nm"].tolist() == [[0.0, 0.0]]


def test_make_safe_ends_an_acquisition_in_real_time_and_the_next_one_runs() -> None:
    twin = flat(pace=1.0)
    long = PointSpectrum((0.0, 0.0), 3000.0)
    interruption = Interruption(3, 20.0, twin.make_safe)
    with pytest.raises(Stopped):
        twin.acquire(long, id="a", stop=interruption)
    assert not interruption.blocked
    assert twin.snapshot()["safe"]
    assert twin.acquire(PointSpectrum((0.0, 0.0), 0.01), id="b", stop=NEVER).complete
    assert not twin.snapshot()["safe"]


def test_real_time_takes_real_time_in_chunks_that_ask_for_a_stop() -> None:
    asked = StopAfter(10**9)
    begun = time.monotonic()
    flat(pace=0.5).acquire(PointSpectrum((0.0, 0.0), 1.0), id="a", stop=asked)
    assert time.monotonic() - begun >= 0.5  # a lower bound: no load can break it
    assert 10**9 - asked.polls >= 10


def test_close_ends_an_acquisition_and_everything_after() -> None:
    twin = flat(pace=1.0)
    interruption = Interruption(2, 20.0, twin.close)
    with pytest.raises(Stopped):
        twin.acquire(PointSpectrum((0.0, 0.0), 3000.0), id="a", stop=interruption)
    assert not interruption.blocked
    calls = [
        twin.describe,
        twin.snapshot,
        twin.truth,
        lambda: twin.lookup("a"),
        lambda: twin.price(HERE),
        lambda: twin.acquire(HERE, id="a", stop=NEVER),
        lambda: twin.reset(0, {}),
        lambda: twin.restore({}),
    ]
    for call in calls:
        with pytest.raises(Closed, match="flat was closed"):
            call()
    twin.close()
    twin.make_safe()


def test_a_run_restored_in_a_new_process_goes_on_bit_for_bit() -> None:
    unbroken = Embedded(FerroelectricFilm())
    unbroken.reset(3, {"name": "shifted"})
    expected = [unbroken.acquire(LINE, id=str(i), stop=NEVER) for i in range(4)]
    first = Embedded(FerroelectricFilm())
    first.reset(3, {"name": "shifted"})
    for i in range(2):
        first.acquire(LINE, id=str(i), stop=NEVER)
    second = Embedded(FerroelectricFilm())
    second.reset(3, {"name": "shifted"})
    second.restore(first.snapshot())
    for i in (2, 3):
        assert same(second.acquire(LINE, id=str(i), stop=NEVER), expected[i])


def test_a_snapshot_is_no_view_of_the_world() -> None:
    twin = Embedded(FerroelectricFilm())
    snapshot = twin.snapshot()
    kept = plain(snapshot)
    twin.acquire(LINE, id="a", stop=NEVER)
    assert plain(snapshot) == kept
    twin.restore(snapshot)
    snapshot["world"]["probe_nm"][:] = 77.0
    assert plain(twin.snapshot()) == kept


def test_restore_refuses_the_snapshot_of_another_twin() -> None:
    with pytest.raises(DataInvalid, match="probe_nm"):
        flat().restore(Embedded(FerroelectricFilm()).snapshot())


def test_a_forged_request_is_refused_and_nothing_moves() -> None:
    twin = flat()
    forged = PointSpectrum((0.0, 0.0), 0.1)
    object.__setattr__(forged, "exposure_s", -5.0)
    for call in (lambda: twin.price(forged), lambda: twin.acquire(forged, id="a", stop=NEVER)):
        with pytest.raises(InvalidRequest, match="exposure_s"):
            call()
    with pytest.raises(OutOfReach):
        twin.acquire(PointSpectrum((501.0, 0.0), 0.1), id="a", stop=NEVER)
    assert twin.snapshot()["requests"] == 0


def test_elapsed_time_is_read_back_with_every_measurement() -> None:
    twin = flat()
    first, second = (twin.acquire(HERE, id=id, stop=NEVER) for id in "ab")
    assert second.state["elapsed_s"] == pytest.approx(first.cost.seconds + second.cost.seconds)


class Ticking(Flat):
    """Knows where it is when it is ended early: the probe goes by thirds."""

    def perform_part(self, world, batch, keys, reached):
        after, result = self.perform(world, batch, keys)
        part = replace(result, cost=result.cost.scaled(reached))
        return replace(after, probe_nm=np.floor(3 * reached) / 3 * after.probe_nm), part


def test_a_core_that_knows_its_instants_says_what_a_stopped_request_left() -> None:
    twin = Embedded(Ticking())
    measured = twin.acquire(PointSpectrum((300.0, 0.0), 0.4), id="a", stop=StopAfter(7))
    assert not measured.complete
    assert twin.snapshot()["world"]["probe_nm"][0, 0] == pytest.approx(100.0)
    assert measured.cost.seconds == pytest.approx(7 / 14 * 0.7, rel=0.05)


def test_a_batch_of_one_row_is_the_same_request_and_the_same_id() -> None:
    one, other = flat(), flat()
    result = one.acquire_batch(RequestBatch.of(HERE), id="a", stop=NEVER)
    measured = other.acquire(HERE, id="a", stop=NEVER)
    assert result.values["signal"][0].tobytes() == measured.channels["signal"].values.tobytes()
    assert same(one.lookup("a"), measured)
    assert same(one.acquire(HERE, id="a", stop=NEVER), measured)
    assert one.snapshot()["requests"] == 1
