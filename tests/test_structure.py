"""The layout: allowed imports, lengths of modules, public names."""

import ast
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import nwkr

ROOT = Path(nwkr.__file__).parent
MAP = Path(__file__).parents[1] / "doc" / "source.rst"


def module_at(path):
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


MODULES = sorted(module_at(path.relative_to(ROOT.parent).as_posix()) for path in ROOT.rglob("*.py"))
# The source map, in order: a module imports only from modules above it.
ON_THE_MAP = [module_at(path) for path in re.findall(r"^``(nwkr/.*\.py)``$", MAP.read_text(), re.M)]


def source_of(module):
    path = ROOT.joinpath(*module.split(".")[1:])
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()


def imported_by(module):
    for node in ast.walk(ast.parse(source_of(module))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            whole = {f"{node.module}.{alias.name}" for alias in node.names} & set(MODULES)
            yield from whole or {node.module}
            yield from (f"{node.module}:{alias.name}" for alias in node.names)


def test_the_source_map_lists_every_module():
    assert sorted(ON_THE_MAP) == MODULES


def test_modules_import_only_modules_above_them():
    for number, module in enumerate(ON_THE_MAP):
        names = [name for name in imported_by(module) if ":" not in name]
        ours = {name for name in names if name.startswith("nwkr")}
        assert ours <= set(ON_THE_MAP[:number]), module


def test_private_names_of_scikit_learn_are_in_one_module():
    for module in MODULES:
        private = [
            name
            for name in imported_by(module)
            if name.startswith("sklearn")
            and any(p.startswith("_") for p in name.split(":")[-1].split("."))
        ]
        assert bool(private) == (module == "nwkr._validation"), module


def test_modules_are_short():
    n_lines = {module: len(source_of(module).splitlines()) for module in MODULES}
    assert not {module: n for module, n in n_lines.items() if n > 400}


def test_public_names_are_listed_and_documented():
    has_dask = importlib.util.find_spec("dask")
    for module in MODULES:
        if module.startswith("nwkr.dask") and not has_dask:
            continue
        loaded = importlib.import_module(module)
        defined = {
            name
            for name, value in vars(loaded).items()
            if getattr(value, "__module__", None) == module and not name.startswith("_")
        }
        assert loaded.__doc__, module
        listed = set(getattr(loaded, "__all__", []))
        assert defined <= listed, module
        for name in listed:
            listed_one = getattr(loaded, name)
            assert inspect.getdoc(listed_one) or not callable(listed_one), name


def test_import_loads_no_optional_package():
    # Blocked, because scikit-learn loads pandas if it is installed; nwkr must not need it.
    optional = "pandas=None, matplotlib=None, numba=None, dask=None, distributed=None"
    code = f"import sys; sys.modules.update({optional}); import nwkr"
    subprocess.run([sys.executable, "-c", code], check=True)
