"""What each ingredient of physics is worth in training: environment steps to the same score, ten seeds a variant."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks import ingredient_runs as runs
from benchmarks.registry import Measured, figure

Floats = NDArray[np.float64]
SEEDS: Final = 10
_DRAWS: Final = 4000
_PLANNED: Final = 0.7
"""Of the oracle: a planner that reaches this alone leaves nothing for a residual to show."""
_FOLDER: Final = "PROBEWRIGHT_INGREDIENTS"
"""Where trainings are noted as they end, so that a stopped figure goes on; `runs/ingredients` without it."""


@figure("train.ingredients", "ratio")
def ingredients() -> Measured:
    """Steps to the same score, best combination of physics over plain PPO: what two of three tasks keep to."""
    folder = Path(os.environ.get(_FOLDER, "runs/ingredients"))
    found, references = measured(folder, range(SEEDS))
    tasks = {task: _task(found[task], references[task], runs.CASES[task].steps) for task in found}
    ratios = sorted((float(said["best_over_plain"]["ratio"]), task) for task, said in tasks.items())
    return Measured(
        value=ratios[1][0],
        reference=1.0,
        compared=f"median environment steps, over {SEEDS} seeds, until the mean return of {runs.EPISODES} held-out "
        f"episodes first is {runs.SHARE:g} of the way from the untrained plain network to the planner; the second best "
        f"of the tasks' ratios ({ratios[1][1]}), against plain PPO itself; where plain PPO did not get there, its "
        "longest training stands for it and the ratio is an upper bound. write_vacancies and write_domains on small "
        "fields, for speed",
        limit=1 / 3,
        threads=2,
        details={"tasks": tasks},
    )


def measured(
    folder: Path, seeds: Iterable[int], tasks: Sequence[str] = tuple(runs.CASES), most: int | None = None
) -> tuple[dict[str, dict[str, list[dict[str, Any]]]], dict[str, dict[str, float]]]:
    """Trainings by task and variant, and the references; what the folder's notes hold is not done again.

    `most` ends trainings earlier than the tasks say.
    """
    folder.mkdir(parents=True, exist_ok=True)
    notes = folder / "trainings.jsonl"
    known = _read(notes)
    with ProcessPoolExecutor(2, get_context("spawn"), initializer=_alone) as pool:
        references = {line["task"]: line["reference"] for line in known if "reference" in line}
        asked = {pool.submit(runs.reference, task): task for task in tasks if task not in references}
        for future in as_completed(asked):
            task = asked[future]
            references[task] = future.result()
            _note(notes, {"task": task, "reference": references[task]})
        wanted = [
            (task, variant, seed) for seed in seeds for task in tasks for variant in _variants(task, references[task])
        ]
        done = {_key(line): line for line in known if "variant" in line and line["most"] == most}
        going = {
            pool.submit(runs.needed, *key, references[key[0]]["score"], most): key for key in wanted if key not in done
        }
        for count, ended in enumerate(as_completed(going), start=1):
            key = going[ended]
            done[key] = {**dict(zip(("task", "variant", "seed"), key, strict=True)), "most": most, **ended.result()}
            _note(notes, done[key])
            said = "reached after" if done[key]["reached"] else "not reached in"
            print(f"{count}/{len(going)} {' '.join(map(str, key))}: {said} {done[key]['steps']} steps", flush=True)
    return {task: _by_variant(done, [key for key in wanted if key[0] == task]) for task in tasks}, references


def _by_variant(
    done: Mapping[tuple[str, str, int], dict[str, Any]], keys: Sequence[tuple[str, str, int]]
) -> dict[str, list[dict[str, Any]]]:
    names = dict.fromkeys(variant for _, variant, _ in keys)
    return {name: [done[key] for key in keys if key[1] == name] for name in names}


def _alone() -> None:
    """One thread a process."""
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    torch.set_num_threads(1)


def _variants(task: str, reference: Mapping[str, float]) -> list[str]:
    """Those to be measured: a residual only where the planner alone is far from what an oracle could have."""
    short = reference["planner"] < _PLANNED * runs.CASES[task].bound
    return [name for name in runs.VARIANTS if name != "residual" or short]


def _task(
    found: Mapping[str, Sequence[Mapping[str, Any]]], reference: Mapping[str, float], most: int
) -> dict[str, Any]:
    """What is told of one task."""
    steps = {name: np.array([_steps(line) for line in lines]) for name, lines in found.items()}
    residual = "measured" if "residual" in found else "left out: the planner alone has 70 % of any return there can be"
    return {
        "reference": dict(reference),
        "longest_training": most,
        "residual": residual,
        "variants": {name: summary(values, most) for name, values in steps.items()},
        "return_before_training": {name: _first(lines) for name, lines in found.items()},
        "best_over_plain": ratio(steps["best"], steps["plain"], most),
    }


def summary(steps: Floats, most: int) -> dict[str, Any]:
    """Median steps [n] (infinite: not reached), its 95 % interval over seeds, how many did not get there.

    All trainings are ended after as many steps, so that the Kaplan-Meier median is that of the sample, and is not known
    (None) where more than half did not get there; an interval that reaches there ends with None too.
    """
    drawn = np.median(steps[_resampled(len(steps))], axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
    return {
        "median": _known(float(np.median(steps))),
        "interval_95": [_known(float(low)), _known(float(high))],
        "not_reached": int(np.isinf(steps).sum()),
        "seeds": len(steps),
        "said": f"not reached by most in {most} steps" if np.isinf(np.median(steps)) else "",
    }


def ratio(best: Floats, plain: Floats, most: int) -> dict[str, Any]:
    """Ratio of medians, and its one-sided 95 % bound; a median that is not known counts as `most`."""
    rows, others = _resampled(len(best)), _resampled(len(plain), 1)
    medians = [np.minimum(np.median(values[index], axis=1), most) for values, index in ((best, rows), (plain, others))]
    drawn = medians[0] / np.maximum(medians[1], 1.0)
    own, other = (min(float(np.median(values)), most) for values in (best, plain))
    return {
        "ratio": own / max(other, 1.0),
        "bound_95": float(np.quantile(drawn, 0.95)),
        "is_upper_bound": bool(np.isinf(np.median(plain))),
    }


def _first(lines: Sequence[Mapping[str, Any]]) -> float:
    """Mean return of networks that have learned nothing: what choices, mask and prior bring by themselves."""
    return float(np.mean([line["curve"][0][1] for line in lines]))


def _steps(line: Mapping[str, Any]) -> float:
    return float(line["steps"]) if line["reached"] else float("inf")


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _resampled(count: int, stream: int = 0) -> NDArray[np.int64]:
    return np.random.default_rng(stream).integers(0, count, size=(_DRAWS, count))


def _key(line: Mapping[str, Any]) -> tuple[str, str, int]:
    return line["task"], line["variant"], line["seed"]


def _note(path: Path, line: Mapping[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _read(path: Path) -> list[dict[str, Any]]:
    """Whole lines; one that a kill cut short is left out."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found
