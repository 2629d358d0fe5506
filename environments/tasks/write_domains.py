"""Write domains: draw a target pattern with pulses or paths of the biased tip, at the least cost.

The pattern lies on a square in the middle of the field and is drawn as rows of text, # for up. An action of the tool
`path` is (x0, y0, x1, y1, bias, speed) in [-1, 1]: ends on the square, bias as a fraction of `bias_V`, speed from
slowest (-1) to fastest on a logarithmic scale; one of `pulse` is (x, y, bias, width), shortest (-1) to longest. After
every action the square is scanned, which takes time as well.

The value is the agreement: the share of the target's up pixels whose response is positive and of its down pixels whose
response is negative, averaged over the two, so that writing nothing or everything gives one half. The reward is its
gain less what seconds, volt-seconds and contact cost. It ends when the agreement reaches `goal`, or after `tries`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import gymnasium
import numpy as np
from numpy.typing import NDArray

from environments.curves import survey_images
from environments.patterns import LETTER_P, drawn, on_pixels
from environments.rows import SHARED
from environments.task import Brief, Outcome
from instruments.batch import RequestBatch, ResultBatch
from instruments.capabilities import Capabilities
from instruments.errors import NotSupported, OutOfReach
from instruments.keys import Keys
from instruments.requests import ScanImage
from physics_priors.bounds import POSITIVE_NM, POSITIVE_S, Bounds

_CLIP = 3.0
_KINDS = {"path": "TipPath", "pulse": "TipPulse"}
_AXES = {"path": 6, "pulse": 4}
Floats = NDArray[np.float64]
Pixels = Annotated[int, Bounds("pixels", 4, 256)]


@dataclass(frozen=True)
class Prices:
    """What a second, a volt-second and a micrometre nanonewton of contact take from the reward."""

    second: Annotated[float, Bounds("1/s", 0.0)] = 1e-4
    volt_second: Annotated[float, Bounds("1/(V s)", 0.0)] = 1e-4
    contact: Annotated[float, Bounds("1/(um nN)", 0.0)] = 1e-7


@dataclass(frozen=True)
class State:
    """B rows after up to `tries` actions; images are [B, pixels], row by row."""

    frame: ScanImage = field(metadata=SHARED)
    target: Floats = field(metadata=SHARED)
    """[pixels] of +1 and -1."""
    image: Floats
    """The last scan, in the survey's median response; NaN before the survey."""
    scale: Floats
    """[B] the survey's median absolute response, in its unit."""
    agreement: Floats
    count: NDArray[np.int64]
    usable: NDArray[np.bool_]
    """[B, tries]"""


@dataclass(frozen=True)
class WriteDomains:
    """The task; see the module's text for actions, value and reward."""

    pattern: tuple[str, ...] = LETTER_P
    tool: Literal["path", "pulse"] = "path"
    size_nm: Annotated[float, POSITIVE_NM] = 600.0
    """Side of the square."""
    shape: tuple[Pixels, Pixels] = (36, 36)
    """(rows, columns) of the scans."""
    dwell_s: Annotated[float, POSITIVE_S] = 5e-4
    channel: str = "piezoresponse"
    bias_V: Annotated[float, Bounds("V", 0.0, 1000.0, open_low=True)] = 9.0
    slowest_nm_s: Annotated[float, Bounds("nm/s", 0.0, open_low=True)] = 100.0
    fastest_nm_s: Annotated[float, Bounds("nm/s", 0.0, open_low=True)] = 10_000.0
    shortest_s: Annotated[float, POSITIVE_S] = 1e-3
    longest_s: Annotated[float, POSITIVE_S] = 1.0
    prices: Prices = field(default_factory=Prices)
    goal: Annotated[float, Bounds("", 0.5, 1.0)] = 0.95
    tries: Annotated[int, Bounds("tries", 1, 10_000)] = 60

    name = "write_domains"

    def __post_init__(self) -> None:
        object.__setattr__(self, "pattern", tuple(self.pattern))
        object.__setattr__(self, "shape", tuple(self.shape))
        drawn(self.pattern)
        if self.tool not in _KINDS:
            raise ValueError(f"tool {self.tool!r}: choose path or pulse")
        if self.slowest_nm_s >= self.fastest_nm_s or self.shortest_s >= self.longest_s:
            raise ValueError("slowest_nm_s must be below fastest_nm_s, and shortest_s below longest_s")

    def check(self, capabilities: Capabilities) -> None:
        for kind in ("ScanImage", _KINDS[self.tool]):
            if kind not in capabilities.requests:
                raise NotSupported(f"{capabilities.name} has no {kind}, which write_domains needs")
        if self.channel not in capabilities.channels["ScanImage"]:
            known = ", ".join(capabilities.channels["ScanImage"])
            raise NotSupported(
                f"{capabilities.name} has no channel {self.channel!r} to see domains in; it has: {known}"
            )
        if not capabilities.field.contains(self._frame(capabilities).places_nm()):
            raise OutOfReach(f"a square of {self.size_nm:g} nm does not fit into {capabilities.field}")
        allowed = capabilities.limits.get("bias_V")
        if allowed is not None and not allowed.contains(self.bias_V):
            raise OutOfReach(f"{capabilities.name}: task.bias_V={self.bias_V:g} is outside {allowed}")

    def observation_space(self, capabilities: Capabilities) -> gymnasium.spaces.Dict:
        pixels = self.shape[0] * self.shape[1]
        sizes = {"image": (-_CLIP, _CLIP, pixels), "target": (-1.0, 1.0, pixels), "wrong": (-1.0, 1.0, pixels)}
        sizes |= {"agreement": (0.0, 1.0, 1), "progress": (0.0, 1.0, 1)}
        return gymnasium.spaces.Dict(
            {n: gymnasium.spaces.Box(low, high, (size,), np.float32) for n, (low, high, size) in sizes.items()}
        )

    def action_space(self, capabilities: Capabilities) -> gymnasium.spaces.Box:
        return gymnasium.spaces.Box(-1.0, 1.0, (_AXES[self.tool],), np.float32)

    def start(self, keys: Keys, capabilities: Capabilities) -> State:
        rows = len(keys)
        target = on_pixels(drawn(self.pattern), self.shape).ravel()
        none = np.full(rows, np.nan)
        return State(
            frame=self._frame(capabilities),
            target=target,
            image=np.full((rows, len(target)), np.nan),
            scale=none,
            agreement=none.copy(),
            count=np.zeros(rows, np.int64),
            usable=np.zeros((rows, self.tries), bool),
        )

    def survey(self, state: State) -> Sequence[RequestBatch]:
        return [self._scan(state)]

    def surveyed(self, state: State, results: Sequence[ResultBatch]) -> State:
        image = self._image(state, results[0])
        scale = np.nan_to_num(np.median(np.abs(image), axis=-1), nan=1.0)
        scale = np.where(scale > 0, scale, 1.0)
        return _seen(replace(state, scale=scale), image / scale[:, None])

    def requests(self, state: State, actions: NDArray[Any]) -> Sequence[RequestBatch]:
        place = np.array(state.frame.center_nm) + np.asarray(actions)[:, :-2].reshape(len(actions), -1, 2) * (
            np.array(state.frame.size_nm) / 2
        )
        bias = np.asarray(actions[:, -2], dtype=np.float64) * self.bias_V
        if self.tool == "path":
            speed = _between(self.slowest_nm_s, self.fastest_nm_s, actions[:, -1])
            each = {"points_nm": place, "speed_nm_s": speed, "bias_V": bias}
        else:
            width = _between(self.shortest_s, self.longest_s, actions[:, -1])
            each = {"position_nm": place[:, 0], "bias_V": bias, "width_s": width}
        return [RequestBatch(_KINDS[self.tool], len(actions), each, {}), self._scan(state)]

    def update(self, state: State, actions: NDArray[Any], results: Sequence[ResultBatch]) -> tuple[State, Outcome]:
        rows = np.arange(len(state.count))
        image = self._image(state, results[1]) / state.scale[:, None]
        seen: NDArray[np.bool_] = np.asarray(np.isfinite(image).all(-1))
        after = _seen(state, np.where(seen[:, None], image, state.image))
        usable = state.usable.copy()
        usable[rows, np.minimum(state.count, self.tries - 1)] = seen
        after = replace(after, count=state.count + 1, usable=usable)
        value = np.where(seen, after.agreement, np.nan)
        gain = np.nan_to_num(after.agreement - state.agreement)
        reward = gain - sum(self._paid(result, len(rows)) for result in results)
        ended = (after.agreement >= self.goal) | (after.count >= self.tries)
        return after, Outcome(value, usable[:, : int(after.count.max())], np.asarray(reward), np.asarray(ended))

    def observation(self, state: State) -> Mapping[str, NDArray[Any]]:
        image = np.nan_to_num(state.image)
        shown = {
            "image": np.clip(image, -_CLIP, _CLIP),
            "target": np.tile(state.target, (len(image), 1)),
            "wrong": np.where(np.sign(image) == state.target, 0.0, state.target),
            "agreement": np.nan_to_num(state.agreement)[:, None],
            "progress": np.minimum(state.count / self.tries, 1.0)[:, None],
        }
        return {name: array.astype(np.float32) for name, array in shown.items()}

    def brief(self, state: State, row: int) -> Brief:
        (x, y), (w, h) = state.frame.center_nm, state.frame.size_nm
        images = {"before": np.nan_to_num(state.image[row]), "target": state.target}
        return Brief(
            objective="maximise",
            value_name="agreement",
            value_unit="",
            images={name: np.array(image.reshape(self.shape)) for name, image in images.items()},
            extent_nm=(x - w / 2, x + w / 2, y - h / 2, y + h / 2),
        )

    def _frame(self, capabilities: Capabilities) -> ScanImage:
        size = (self.size_nm, self.size_nm)
        return ScanImage(capabilities.field.center_nm, size, self.shape, self.dwell_s, channels=(self.channel,))

    def _scan(self, state: State) -> RequestBatch:
        frame, rows = state.frame, len(state.count)
        shared = {name: getattr(frame, name) for name in frame.__dataclass_fields__ if name != "center_nm"}
        return RequestBatch(frame.kind, rows, {"center_nm": np.tile(frame.center_nm, (rows, 1))}, shared)

    def _image(self, state: State, result: ResultBatch) -> Floats:
        """The scan [B, pixels]; NaN where nothing came."""
        images = survey_images(result, (self.channel,), len(state.count), self.shape)
        return images[self.channel].reshape(len(state.count), -1)

    def _paid(self, result: ResultBatch, rows: int) -> Floats:
        cost, price = result.cost, self.prices
        contact = price.contact * cost.contact_nm_nN / 1e3
        paid = price.second * cost.seconds + price.volt_second * cost.bias_V_s + contact
        return np.broadcast_to(paid, rows)


def _between(low: float, high: float, action: NDArray[Any]) -> Floats:
    """low at -1, high at 1, on a logarithmic scale."""
    return np.asarray(low * (high / low) ** ((np.asarray(action, dtype=np.float64) + 1.0) / 2.0))


def agreement(image: Floats, target: Floats) -> Floats:
    """Shares of up and of down pixels of the target [pixels] with the right sign in images [B, pixels], their mean."""
    right = np.asarray(np.sign(image) == target, dtype=np.float64)
    shares = [np.ascontiguousarray(right[:, target == sign]).mean(-1) for sign in (1.0, -1.0)]
    return np.where(np.isfinite(image).all(-1), (shares[0] + shares[1]) / 2, np.nan)


def _seen(state: State, image: Floats) -> State:
    """The state with a new image [B, pixels] and its agreement."""
    return replace(state, image=image, agreement=agreement(image, state.target))
