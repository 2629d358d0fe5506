"""The report: one self-contained page that shows a campaign, written from its journal alone.

`story` reads the journal once, `samples` fetches the few measurements that are shown, one module draws each
figure, `document` puts the page together; `picture` makes a single image of a finished campaign. To add a figure:
a module with a `draw`, and an entry in `figures`. Matplotlib is loaded when something is drawn.
"""

from experiments.report.document import write

__all__ = ["write"]
