"""The server's side written anew for Python 3.8: `python -m instruments.bridge.export FOLDER [MODULE...]`.

Computers beside microscopes have old Pythons. What a server loads is copied with its syntax tree changed where 3.8
would read types at run time and fail; what it does stays as it is. The copy needs pyzmq, msgpack, NumPy and
typing_extensions.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from instruments.errors import DataInvalid

_GENERIC = {"tuple": "Tuple", "list": "List", "dict": "Dict", "set": "Set", "frozenset": "FrozenSet", "type": "Type"}
_PACKAGES = ("instruments", "physics_priors")


def export(folder: Path, modules: tuple[str, ...] = ()) -> list[Path]:
    """Write all that serving needs, and `modules` of this project with what they need; the files written.

    Raises DataInvalid where a module cannot be imported.
    """
    written = []
    for source in _needed(modules):
        root = next(parent for parent in source.parents if parent.name in _PACKAGES).parent
        target = folder / source.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(translated(source.read_text(encoding="utf-8")), encoding="utf-8")
        written.append(target)
    return written


def translated(source: str) -> str:
    """A module for Python 3.8."""
    tree = _Translator().visit(ast.parse(source))
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _needed(modules: tuple[str, ...]) -> list[Path]:
    """The files of our own that are loaded by importing the server and these modules, in a fresh process."""
    names = ("instruments.bridge.__main__", "instruments.warming", *modules)
    program = (
        f"import sys, importlib\nfor name in {names!r}: importlib.import_module(name)\n"
        f"for name, module in list(sys.modules.items()):\n"
        f"    if name.partition('.')[0] in {_PACKAGES!r} and getattr(module, '__file__', None): print(module.__file__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DataInvalid(f"{', '.join(modules)} cannot be imported: {done.stderr.strip().splitlines()[-1]}")
    return [Path(line) for line in done.stdout.splitlines()]


class _Translator(ast.NodeTransformer):
    """Old spellings of types, and three idioms that came after 3.8."""

    def visit_Module(self, node: ast.Module) -> ast.AST:
        self.generic_visit(node)
        after = next((i for i, item in enumerate(node.body) if not _opens(item)), len(node.body))
        node.body.insert(after, ast.parse("import typing_extensions as _typing").body[0])
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        if node.module in ("typing", "collections.abc"):
            node.module = "typing_extensions"
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id in _GENERIC:
            node.value = _typing(_GENERIC[node.value.id])
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.BitOr) and _is_type(node.left) and _is_type(node.right):
            return ast.Subscript(_typing("Union"), ast.Tuple([node.left, node.right], ast.Load()), ast.Load())
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id == "types":
            if node.attr == "UnionType":
                return _typing("Union")
            if node.attr == "NoneType":
                return ast.parse("type(None)", mode="eval").body
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "issubclass"):
            node.args[1] = _alternatives(node.args[1])
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "zip":
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "strict"]
        return node


def _opens(item: ast.stmt) -> bool:
    """Whether a statement must stay at the very top of a module."""
    docstring = isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant)
    return docstring or (isinstance(item, ast.ImportFrom) and item.module == "__future__")


def _typing(name: str) -> ast.Attribute:
    return ast.Attribute(ast.Name("_typing", ast.Load()), name, ast.Load())


def _is_type(node: ast.expr) -> bool:
    """Whether one side of `|` is a type: None, a subscript, or a name that begins like one."""
    if isinstance(node, ast.Constant):
        return node.value is None
    if isinstance(node, ast.Subscript):
        return _is_type(node.value)
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name.lstrip("_")[:1].isupper() or name in ("str", "int", "float", "bool", "bytes", "bytearray", "memoryview")


def _alternatives(node: ast.expr) -> ast.expr:
    """`A | B` as the tuple that isinstance always took."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        sides = [_alternatives(node.left), _alternatives(node.right)]
        flat = [item for side in sides for item in (side.elts if isinstance(side, ast.Tuple) else [side])]
        return ast.Tuple(flat, ast.Load())
    return node


def main(arguments: list[str] | None = None) -> int:
    """Export into the first argument's folder; exit code 2 where that cannot be done."""
    given = sys.argv[1:] if arguments is None else arguments
    if not given:
        print("error: say FOLDER [MODULE...]", file=sys.stderr)
        return 2
    try:
        written = export(Path(given[0]), tuple(given[1:]))
    except (DataInvalid, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(written)} files in {given[0]}; there: python -m instruments.bridge MODULE:NAME")
    return 0


if __name__ == "__main__":
    sys.exit(main())
