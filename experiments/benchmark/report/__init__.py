"""The report of a suite: a self-contained page, pictures, a Markdown table, a CSV of all cells, a summary.

`wording` says a table in text, `figures` draws, `examples` shows kept campaigns, `document` is the page, `files` the
rest; `write` makes them all. Matplotlib is loaded when something is drawn.
"""

from experiments.benchmark.report.facts import Facts
from experiments.benchmark.report.writing import write

__all__ = ["Facts", "write"]
