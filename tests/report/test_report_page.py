"""The report is one valid page that says what the journal says, whatever became of the campaign."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from experiments import report
from experiments.campaign.folder import write_truth
from experiments.campaign.journal import JournalDamaged
from experiments.report import tasks
from instruments.requests import Register

MakeRun = Callable[..., Path]
VOID = {"br", "hr", "img", "input", "link", "meta", "wbr"}


class Page(HTMLParser):
    """Checks that elements are closed in order, and gathers what is needed to judge a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.unnamed: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.addresses += [given[n] or "" for n in ("src", "href", "xlink:href", "data", "action") if n in given]
        self.ids += [given["id"] or ""] if "id" in given else []
        if given.get("role") == "img" and not given.get("aria-label"):
            self.unnamed.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    @property
    def figures(self) -> int:
        return self.tags.count("figure")


def page_of(folder: Path) -> Page:
    """The report of a folder, written and checked for what holds of every report."""
    path = report.write(folder)
    assert path == folder / "report.html"
    page = Page(path.read_text(encoding="utf-8"))
    assert all(a.startswith(("#", "data:")) for a in page.addresses)
    assert len(page.ids) == len(set(page.ids))
    assert page.unnamed == []
    assert "script" not in page.tags
    assert not re.search(r"\bnan\b|\binf\b|None", page.text)
    assert list(folder.glob(".*.tmp")) == []
    return page


def test_whole_campaign(make_run: MakeRun) -> None:
    folder = make_run(steps=30, dose=True, fail=lambda s: s == 5, reject=lambda s: s in (7, 9))
    page = page_of(folder)
    assert page.figures == 5
    for said in (
        "loop_discovery",
        "Looked for the largest loop area [pm V]",
        "Embedded(FerroelectricFilm)",
        "Finished : the budget of steps is used up",
        "of at most 60",
        "1 failed, 2 rejected",
        "61.5 s",  # survey 1.5 s and thirty spectra of 2 s
        "1.9×10⁸ e⁻",
        "BiasSpectroscopy failed, HardwareFault: the fit did not converge",
        "rejected as an outlier",
        "probewright run seed=3",
        "0123456789abcdef with uncommitted changes",
        "python 3.11.2, numpy 2.3.0",
    ):
        assert said in page.text
    assert "mlflow -" not in page.text


def test_best_is_the_largest_value_that_stands(make_run: MakeRun) -> None:
    """Step 4 is larger, but was rejected in the end."""
    values = {2: 812.5, 4: 9999.0}
    folder = make_run(steps=6, reject=lambda s: s == 4, value=lambda step, area: values.get(step, 1.0))
    page = page_of(folder)
    assert "Best loop area 812.5 pm V" in page.text
    assert "step 2" in page.text
    best = re.search(r'<tr class="best">(.*?)</tr>', (folder / "report.html").read_text(encoding="utf-8"))
    assert best is not None
    assert '<td class="n">2</td>' in best[1]


def test_best_is_the_smallest_where_the_smallest_was_looked_for(make_run: MakeRun) -> None:
    values = {2: 225.5, 4: 0.001}
    wanted = {"objective": "minimise", "reject": lambda s: s == 4}
    folder = make_run(steps=6, value=lambda step, area: values.get(step, 900.0), **wanted)
    page = page_of(folder)
    assert "Looked for the smallest loop area" in page.text
    assert "Best loop area 225.5 pm V" in page.text


def test_sections_of_a_task_that_break_cost_only_themselves(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "odd_task.py").write_text("def sections(story, reader, truth):\n    raise ValueError(sorted(truth))\n")
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    folder = make_run(steps=3, extra=[("brief", 0, {"task": "odd_task", "objective": "map"})])
    write_truth(folder / "truth.npz", {"rate": {"a_per_s": 3.0}, "name": "graphene", "core": object()})
    page = page_of(folder)
    assert "could not be drawn: ValueError: ['name', 'rate.a_per_s']" in page.text
    assert "Every decision" in page.text


def test_every_decision_is_told_in_full(make_run: MakeRun) -> None:
    page = page_of(make_run(steps=25, reason="because of " + "a long reason " * 20))
    assert page.text.count("a long reason " * 19) == 25


def test_text_of_others_is_never_markup(make_run: MakeRun) -> None:
    evil = "<script>alert('x')</script><img src=http://x onerror=1>\"&"
    folder = make_run(
        steps=4,
        reason=evil,
        failure=evil,
        fail=lambda s: s == 2,
        closed={"status": "failed", "ended_by": "failed", "message": evil},
        extra=[
            ("refused", 4, {"id": "r", "request": Register((0.0, 0.0)), "why": evil}),
            ("housekeeping", 4, {"what": evil, "figures": {}}),
            ("ambiguous", 4, {"id": "m4", "policy": "ask", "why": evil}),
        ],
    )
    page = page_of(folder)
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert page.text.count("<script>alert('x')</script>") >= 8  # shown as text, in all places


@pytest.mark.parametrize(
    ("closed", "said"),
    [
        ({"status": "finished", "ended_by": "seconds", "message": ""}, "the budget of instrument time is used up"),
        ({"status": "finished", "ended_by": "electrons", "message": ""}, "the budget of electrons is used up"),
        ({"status": "finished", "ended_by": "candidates", "message": ""}, "every candidate has been measured"),
        ({"status": "interrupted", "ended_by": "interrupted", "message": "SIGINT"}, "Interrupted : SIGINT."),
        ({"status": "failed", "ended_by": "failed", "message": "vacuum lost"}, "Failed : vacuum lost."),
        ({"status": "refused", "ended_by": "guard", "message": "fluence"}, "Refused by the guard : fluence."),
        (None, "No end recorded : the process was killed or lost after step 2."),
    ],
)
def test_status_is_told_truthfully(make_run: MakeRun, closed: dict[str, str] | None, said: str) -> None:
    assert said in page_of(make_run(steps=2, closed=closed, model=False)).text


def test_resumed_and_killed_again_is_not_called_interrupted(make_run: MakeRun) -> None:
    interrupted = {"status": "interrupted", "ended_by": "interrupted", "message": "SIGTERM"}
    resumed = {"bit_exact": False, "why": "numpy 2.2 -> 2.3"}
    page = page_of(make_run(steps=2, closed=None, extra=[("closed", 2, interrupted), ("resumed", 2, resumed)]))
    assert "No end recorded" in page.text
    assert "continued, not bit-exact: numpy 2.2 -> 2.3" in page.text


def test_running_campaign(make_run: MakeRun) -> None:
    from experiments.campaign.journal import Journal

    folder = make_run(steps=3, closed=None)
    journal = Journal(folder / "journal.sqlite")
    try:
        assert "Still running" in page_of(folder).text
    finally:
        journal.close()


@pytest.mark.parametrize(
    ("fields", "figures"),
    [
        ({"steps": 0, "model": False}, 1),  # the survey's image
        ({"steps": 0, "survey": False, "model": False}, 0),
        ({"steps": 1, "survey": False, "model": False}, 3),
        ({"steps": 5, "curves": False, "model": False}, 2),
        ({"steps": 6, "fail": lambda step: True, "model": False}, 1),
        ({"steps": 6, "value": lambda step, value: float("nan"), "model": False}, 1),
        ({"steps": 6, "value": lambda step, value: float("inf"), "model": False}, 1),
        ({"steps": 6, "value": lambda step, value: 0.0}, 5),
        ({"steps": 6, "value": lambda step, value: -value * 1e-12, "objective": "map"}, 5),
    ],
)
def test_odd_campaigns_have_a_report(make_run: MakeRun, fields: dict[str, object], figures: int) -> None:
    page = page_of(make_run(**fields))
    assert page.figures == figures
    assert "How to repeat it" in page.text


def test_survey_is_priced_where_no_step_was_made(make_run: MakeRun) -> None:
    assert "Instrument time 1.50 s" in page_of(make_run(steps=0, model=False)).text


def test_five_thousand_steps(make_run: MakeRun) -> None:
    folder = make_run(steps=5000)
    page = page_of(folder)
    assert "Steps 5 000" in page.text
    assert page.text.count("the expected improvement is largest here") == 5000
    assert "On paper: the first 200 of 5000 steps" in page.text
    assert (folder / "report.html").stat().st_size < 8e6


def test_partial_and_broken_curves_are_drawn_or_left_out(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """The best curve holds no number at all: there is nothing to draw of it, and the others are drawn."""
    folder = make_run(steps=9, reject=lambda step: False, value=lambda step, value: float(step))
    from experiments.campaign.journal import open_reader
    from experiments.report import samples, story

    told = story.read(folder)
    with open_reader(folder / "journal.sqlite") as reader:
        found = samples.fetch(told, reader)
    assert [(s.role, s.step.number) for s in found] == [("best", 9), ("median", 5), ("worst accepted", 1)]
    assert [s.measurement.id for s in found] == ["m9", "m5", "m1"]
    channel = found[0].measurement.channels["piezoresponse"]
    assert samples.drawable(channel)
    channel.values[:] = np.nan
    assert not samples.drawable(channel)


def test_folder_without_a_journal_is_said(tmp_path: Path) -> None:
    with pytest.raises(JournalDamaged, match="no journal"):
        report.write(tmp_path)
