"""The report of a suite: self-contained, complete, honest about what failed."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from experiments.benchmark.cell import Row
from experiments.benchmark.claims import claims
from experiments.benchmark.engine import Finished
from experiments.benchmark.plan import Cell, Plan
from experiments.benchmark.report import Facts, write
from experiments.benchmark.report.screen import lines
from experiments.benchmark.scores import collect
from experiments.benchmark.suite import Entry, Suite
from experiments.benchmark.tables import tables
from experiments.config import to_plain
from experiments.config.composing import compose


def facts_of(folder: Path, rows: list[Row], **more) -> Facts:
    """What the report is made from, for rows by hand."""
    suite = Suite("by_hand", {"random": [], "other": []}, {"film": Entry("loop_discovery")}, target=0.3)
    cells = [Cell(r.id, r.policy, r.task, r.scenario, r.seed, "one") for r in rows]
    plain = {k: v for k, v in to_plain(compose([])).items() if k not in ("seed", "runs")}
    scores = collect(rows, "random", suite.target)
    finished = Finished(folder, Plan(suite, cells, {"one": plain}), rows)
    return Facts(finished, scores, tables(scores, draws=200), claims(scores), command="probewright benchmark", **more)


@pytest.fixture
def by_hand(row):
    """Rows of two policies and the oracle on two problems."""

    def make(seeds: int = 10, **fields) -> list[Row]:
        draws = np.random.default_rng(0)
        found = [
            row(policy, seed, np.sort(scale * draws.random(6))[::-1].tolist(), scenario=scenario, **fields)
            for policy, scale in (("random", 1.0), ("other", 0.4), ("oracle", 0.0))
            for scenario in ("matched", "shifted")
            for seed in range(seeds)
        ]
        return found

    return make


def section(page: str, title: str) -> str:
    """The section with a title, as HTML."""
    name = "".join(c if c.isalnum() else "-" for c in title.lower())
    (found,) = re.findall(rf'<section aria-labelledby="{name}">.*?</section>', page, re.DOTALL)
    return found


def test_the_page_of_a_real_suite_has_everything_inside_it(small_suite):
    page = (small_suite / "report.html").read_text()
    assert not re.findall(r'(?:src|href)="(?!#|data:)', page)
    assert "<script" not in page
    for title in ("Summary", "Claims", "Gap closed", "Performance profiles", "film, matched", "How to repeat it"):
        assert section(page, title)
    assert "oracle (given truth)" in section(page, "Summary")
    assert section(page, "film, matched").count("<svg") == 2
    assert "sobol: regret" in section(page, "film, matched")
    assert "seeds: 0 to 9" in section(page, "How to repeat it")


def test_pictures_are_pictures(small_suite):
    names = {path.stem for path in small_suite.glob("*.png")}
    assert names == {"gaps", "profiles", "regret-film-matched", "examples-film-matched"}
    from matplotlib.image import imread

    for name in names:
        image = imread(small_suite / f"{name}.png")
        assert image.shape[1] >= 1000
        assert image.std() > 0.02


def test_the_table_for_papers_says_how_to_repeat_it(small_suite):
    text = (small_suite / "table.md").read_text()
    for said in ("command: `", "seeds: 0 to 9", "numpy ", "date: 20", "| oracle (given truth) |", "Holm"):
        assert said in text
    tables_ = [line for line in text.splitlines() if line.startswith("|")]
    assert len(tables_) == (2 + 3) + (2 + 1)  # random, sobol, oracle; one claim


def test_cells_and_summary_agree_with_the_results(small_suite):
    results = [json.loads(line) for line in (small_suite / "results.jsonl").read_text().splitlines()]
    cells = list(csv.DictReader((small_suite / "cells.csv").read_text().splitlines()))
    assert {c["id"] for c in cells} == {r["id"] for r in results}
    regrets = {c["id"]: float(c["regret"]) for c in cells}
    assert all(regrets[r["id"]] == pytest.approx(r["regret"][-1]) for r in results)
    summary = json.loads((small_suite / "summary.json").read_text(), parse_constant=pytest.fail)
    assert (summary["schema_version"], summary["cells"], summary["status"]["ok"]) == (1, 30, 30)
    assert [line["policy"] for line in summary["tables"][0]["lines"]] == ["random", "sobol", "oracle"]
    assert summary["versions"]["numpy"] == np.__version__


def test_what_failed_is_listed_and_cannot_hurt_the_page(tmp_path, by_hand, row):
    rows = by_hand()
    rows[12] = row("random", 2, scenario="shifted", status="failed", error="<script>alert(1)</script>")
    page = write(facts_of(tmp_path, rows, left_out={"beps": "no file there"})).read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in section(page, "What went wrong")
    assert "1 of 60 cells gave nothing" in page
    assert "Left out: beps (no file there)" in page
    assert "1, 0 of 20" in section(page, "Summary")


def test_every_problem_has_a_section_with_its_own_table(tmp_path, by_hand):
    page = write(facts_of(tmp_path, by_hand(dose=1e6))).read_text()
    for title in ("film, matched", "film, shifted"):
        own = section(page, title)
        assert "<table" in own
        assert f'href="#{title.replace(", ", "--")}"' in page
        assert "electrons" in own
    assert (tmp_path / "regret-film-shifted.png").is_file()


def test_few_seeds_give_numbers_without_intervals(tmp_path, by_hand):
    facts = facts_of(tmp_path, by_hand(seeds=4))
    page = write(facts).read_text()
    assert "too few seeds for intervals" in page
    assert not re.search(r"\[\D?\d+\.\d+, ", section(page, "Summary"))
    assert "too few seeds" in "\n".join(lines(facts))
    assert not any("[" in line for line in lines(facts))


def test_a_suite_in_which_everything_failed_has_a_report_too(tmp_path, row):
    rows = [row(p, s, status="failed", error="it broke") for p in ("random", "other", "oracle") for s in range(10)]
    facts = facts_of(tmp_path, rows)
    assert section(write(facts).read_text(), "What went wrong").count("it broke") == 30
    assert [claim.verdict for claim in facts.claims] == ["no significant difference"]


def test_the_screen_has_the_table_and_the_claims(tmp_path, by_hand):
    said = "\n".join(lines(facts_of(tmp_path, by_hand())))
    assert "all tasks and scenarios: 10 seeds; gap between random and oracle" in said
    assert re.search(r"other +film, shifted .* better", said)
    assert "oracle (given truth)" in said
