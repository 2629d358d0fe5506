"""Whatever is wrong with a configuration is said in one line, before anything is built."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.config import CampaignSettings, ConfigError, compose, from_plain, to_plain
from experiments.config.checking import Checker
from experiments.config.composing import make

LAB = ("instrument=bench", "task=wish", "agent=chooser", "scenario=quiet")


def composed(lab: Path, *overrides: str) -> CampaignSettings:
    return compose([*LAB, *overrides], [lab])


def complaint(lab: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as raised:
        composed(lab, *overrides)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def built(lab: Path, name: str, *overrides: str) -> object:
    return Checker(make).component(getattr(composed(lab, *overrides), name), name)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("sead=3", "unknown key 'sead'; did you mean 'seed'? keys here: seed, "),
        ("+sead=3", "unknown key 'sead'; did you mean 'seed'?"),
        ("agent=choser", "unknown agent 'choser'; did you mean 'chooser'? there are: chooser, "),
        ("agent.bta=1", "unknown key 'agent.bta'; did you mean 'agent.beta'? keys here: beta, film"),
        ("instrument.core.pixles=1", "unknown key 'instrument.core.pixles'; did you mean 'instrument.core.pixels'?"),
        ("budget.stepps=1", "unknown key 'budget.stepps'; did you mean 'budget.steps'?"),
        ("budget=20", "unknown budget '20'; there are: "),
    ],
)
def test_a_wrong_name_gets_the_nearest_ones(lab: Path, override: str, said: str) -> None:
    assert complaint(lab, override).startswith(said)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("budget.steps=-4", "budget.steps=-4 is outside [1, 1e+06] steps"),
        ("agent.beta=-1", "agent.beta=-1.0 is outside [0, 100]"),
        ("agent.beta=nan", "agent.beta=nan is outside [0, 100]"),
        ("instrument.core.pixels=65", "instrument.core.pixels=65 is outside [1, 64] pixels"),
        ("instrument.core.window_nm=[1,-1]", "instrument.core.window_nm[1]=-1.0 is outside [0, inf) nm"),
        ("task.films=[{pixels: 0}]", "task.films[0].pixels=0 is outside [1, 64] pixels"),
        ("guard.seconds=inf", "guard.seconds=inf is outside [0, inf) s"),
        ("guard.exclude=[{center_nm:[0,0],radius_nm:-1}]", "guard.exclude[0].radius_nm=-1.0 is outside [0, inf) nm"),
    ],
)
def test_a_value_out_of_range_gets_the_range_and_unit(lab: Path, override: str, said: str) -> None:
    assert complaint(lab, override) == said


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seed=true", "seed=true must be a whole number"),
        ("budget.steps=1.5", "budget.steps=1.5 must be a whole number"),
        ("agent.beta=much", "agent.beta='much' must be a number"),
        ("name=3", "name=3 must be text (as text it is written name='\"3\"')"),
        ("runs=3", "runs=3 must be a path"),
        ("task.loud=1", "task.loud=1 must be true or false"),
        ("instrument.core.mode=carefull", "instrument.core.mode='carefull' must be one of: careful, fast"),
        ("on_ambiguous=skipp", "on_ambiguous='skipp' must be one of: skip, "),
        ("instrument.core.window_nm=[1]", "instrument.core.window_nm=[1] must have 2 values"),
        ("instrument.core.window_nm=1", "instrument.core.window_nm=1 must be a list"),
        ("seed.x=3", "seed={'x': 3} must be a whole number"),
        ("task.table.a=x", "task.table.a='x' must be a number"),
        ("instrument.core=film", "instrument.core='film' must be a component: a mapping with _target_"),
    ],
)
def test_a_value_of_the_wrong_type_is_told_what_it_must_be(lab: Path, override: str, said: str) -> None:
    assert complaint(lab, override).startswith(said)


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("absent", "agent._target_='no_such_module.Agent' cannot be imported (ModuleNotFoundError: "),
        ("misnamed", "agent._target_: unknown name 'Choser'; did you mean 'Chooser'?"),
        ("number", "agent._target_='lab_parts.number' is not a class"),
        ("damaged", "the configuration cannot be composed: while parsing a flow sequence in "),
        ("dangling", "agent.beta: Interpolation key 'nowhere.to.go' not found"),
        ("open", "agent.beta: Missing mandatory value"),
        ("untargeted", "agent names no class: choose one with agent=NAME"),
        ("shell", "agent: Target 'os.system' is blocklisted"),
    ],
)
def test_a_broken_yaml_of_a_user_is_explained(lab: Path, agent: str, said: str) -> None:
    assert complaint(lab, f"agent={agent}").startswith(said)


@pytest.mark.parametrize("override", ["seed", "seed=[1", "=3", "seed=)", "agent.film={pixels"])
def test_an_override_that_cannot_be_read_is_shown(lab: Path, override: str) -> None:
    assert complaint(lab, override).startswith(f"override {override!r} is not written as key=value: ")


def test_overrides_of_another_place_are_sent_there(lab: Path) -> None:
    assert "python -m experiments.run" in complaint(lab, "hydra.verbose=true")
    assert "--multirun" in complaint(lab, "seed=0,1")
    assert "agent is missing" in complaint(lab, "~agent")


def test_an_empty_budget_is_refused(lab: Path) -> None:
    assert complaint(lab, "budget.steps=null").startswith("the budget is empty: set at least one of budget.steps")
    assert composed(lab, "budget.steps=null", "budget.seconds=5").budget.seconds == 5.0


def test_a_name_that_would_leave_the_runs_folder_is_refused(lab: Path) -> None:
    assert "names the run folder" in complaint(lab, "name=../elsewhere")


def test_a_missing_config_dir_and_a_hidden_name_are_refused(lab: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such folder"):
        compose(LAB, [lab / "absent"])
    (lab / "budget").mkdir()
    (lab / "budget" / "short.yaml").write_text("steps: 1\n")
    with pytest.raises(ConfigError, match=r"short\.yaml has the name of one of probewright's own"):
        compose(LAB, [lab])


def test_a_key_the_yaml_leaves_out_can_be_set(lab: Path) -> None:
    part = built(lab, "instrument", "instrument.core.window_nm=[3, 4]", "instrument.log=trace.txt")
    assert part.core.window_nm == (3.0, 4.0)  # type: ignore[attr-defined]
    assert part.core.pixels == 32  # type: ignore[attr-defined]
    assert part.log == Path("trace.txt")  # type: ignore[attr-defined]


def test_hydras_add_and_delete_work(lab: Path) -> None:
    assert composed(lab, "+agent.film={pixels: 3}").agent["film"].pixels == 3
    assert "beta" not in composed(lab, "~agent.beta").agent


def test_a_constructor_that_refuses_is_quoted(lab: Path) -> None:
    with pytest.raises(ConfigError, match=r"agent \(lab_parts\.Chooser\) cannot be built: beta 13 brings bad luck"):
        built(lab, "agent", "agent.beta=13")


def test_settings_survive_being_plain(lab: Path) -> None:
    before = composed(lab, "guard.exclude=[{center_nm: [0, 1], radius_nm: 2}]", "agent.film={pixels: 3}", "runs=a/b")
    plain = to_plain(before)
    assert plain["runs"] == "a/b"
    assert plain["guard"]["exclude"] == [{"center_nm": [0.0, 1.0], "radius_nm": 2.0}]
    assert to_plain(from_plain(plain)) == plain


KEYS = st.sampled_from(
    ["seed", "budget.steps", "agent.beta", "instrument.core.window_nm", "task.note", "guard", "name"]
)
VALUES = st.one_of(
    st.integers().map(str), st.floats().map(str), st.text(max_size=12), st.just("[1,[2]]"), st.just("{a:}")
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=KEYS, value=VALUES)
def test_no_value_gets_past_the_checks_or_breaks_them(lab: Path, key: str, value: str) -> None:
    found = said = None
    try:
        found = composed(lab, f"{key}={value}")
    except ConfigError as error:
        said = str(error)
    if found is None:
        assert said
        assert "\n" not in said
    else:
        assert 0 <= found.seed < 2**31
        assert found.budget.steps is None or found.budget.steps >= 1
        assert 0 <= found.agent.get("beta", 0.0) <= 100
