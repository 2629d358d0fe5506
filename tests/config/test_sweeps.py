"""Sweeps expand to the jobs that Hydra's own sweeper would run."""

from pathlib import Path

import pytest

from experiments.config import ConfigError
from experiments.config.overrides import parse
from experiments.config.sweeps import expanded


def test_all_combinations_the_last_key_fastest() -> None:
    assert expanded(["seed=0,1", "budget.steps=range(2,5)"]) == [
        [f"seed={seed}", f"budget.steps={steps}"] for seed in (0, 1) for steps in (2, 3, 4)
    ]


def test_as_hydra_does_it() -> None:
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    texts = ["seed=1,2", "agent=sobol,random", "name='a b',c", "budget.steps=choice(3,4)", "+guard.bias_V=2", "runs=x"]
    assert expanded(texts) == BasicSweeper.split_arguments(parse(texts), None)[0]


def test_a_glob_takes_the_options_of_its_group(tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "sobol_mine.yaml").touch()
    assert expanded(["agent=glob(sobol*)"], [tmp_path]) == [["agent=sobol"], ["agent=sobol_mine"]]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("agent=sobol,gausian_process", "unknown agent 'gausian_process'; did you mean 'gaussian_process'"),
        ("sead=0,1", "unknown key 'sead'; did you mean 'seed'"),
        ("suite=smoke", "unknown key 'suite'"),
        ("seed=interval(0,1)", "needs an optimiser"),
        ("agent=glob(none*)", "gives no value at all"),
        ("seed=glob(*)", "seed is no group"),
    ],
)
def test_a_wrong_sweep_is_refused_before_any_job(override: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        expanded([override])
    assert said in str(raised.value)
