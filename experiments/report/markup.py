"""HTML from text that is never trusted: everything is escaped but what is marked as markup already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def el(tag: str, *children: str, **attributes: str) -> Markup:
    """An element; children are escaped unless they are Markup; `klass` stands for the attribute class."""
    said = "".join(
        f' {name.replace("klass", "class")}="{escape(value)}"' for name, value in attributes.items() if value
    )
    return Markup(f"<{tag}{said}>{joined(children)}</{tag}>")


def joined(children: Iterable[str]) -> Markup:
    """Children one after the other, escaped where they are not Markup."""
    return Markup("".join(c if isinstance(c, Markup) else escape(c) for c in children))


def section(title: str, *children: str) -> Markup:
    """A section with its heading, named after it."""
    name = "".join(c if c.isalnum() else "-" for c in title.lower())
    return el("section", el("h2", title, id=name), *children, **{"aria-labelledby": name})


def figure(drawing: str, caption: str) -> Markup:
    """A drawn figure with its caption; `drawing` is an `<svg>` element."""
    return el("figure", Markup(drawing), el("figcaption", caption))


def row(cells: Sequence[tuple[str, str]], klass: str = "") -> Markup:
    """A table row of (text, class of the cell)."""
    return el("tr", *(el("td", text, klass=kind) for text, kind in cells), klass=klass)


def table(heads: Sequence[tuple[str, str]], rows: Iterable[Markup], caption: str, klass: str = "") -> Markup:
    """A table with column heads (text, class); the caption is for those who do not see it."""
    head = el("thead", el("tr", *(el("th", text, scope="col", klass=kind) for text, kind in heads)))
    return el("table", head, el("tbody", *rows), klass=klass, **{"aria-label": caption})


def page(title: str, *children: str) -> str:
    """A whole page with its style inside."""
    css = files("experiments.report").joinpath("style.css").read_text(encoding="utf-8")
    head = joined(
        [
            Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'),
            el("title", title),
            el("style", Markup(css)),
        ]
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{el("main", *children)}</body></html>\n'
