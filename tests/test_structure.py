"""The layout: what may import what, how long a module may be, what is public."""

import ast
import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path

import nwkr

ROOT = Path(nwkr.__file__).parent

# From the top of the house to its foundations: a module imports only from further down.
ORDER = [
    "nwkr",
    "nwkr.dask",
    "nwkr.dask._estimators",
    "nwkr.dask._search",
    "nwkr.dask._outcomes",
    "nwkr.dask._base",
    "nwkr.dask._lattices",
    "nwkr.dask._pairs",
    "nwkr.dask._trend",
    "nwkr.dask._model",
    "nwkr.dask._sample",
    "nwkr.dask._quartiles",
    "nwkr.dask._columns",
    "nwkr.dask._chunks",
    "nwkr.dask._survey",
    "nwkr.dask._form",
    "nwkr.displays",
    "nwkr.displays._prediction",
    "nwkr.displays._two_features",
    "nwkr.displays._one_feature",
    "nwkr.displays._explanation",
    "nwkr.displays._bandwidth",
    "nwkr.displays._attention",
    "nwkr.displays._kernel",
    "nwkr.displays._reading",
    "nwkr.displays._drawing",
    "nwkr._pipeline",
    "nwkr._regressor_cv",
    "nwkr._regressor",
    "nwkr._classifier_cv",
    "nwkr._search_of_classes",
    "nwkr._classifier",
    "nwkr._class_trend",
    "nwkr._class_parameters",
    "nwkr._bands",
    "nwkr._intervals",
    "nwkr._conditional_density",
    "nwkr._conditional",
    "nwkr._density",
    "nwkr._smoother",
    "nwkr._residuals",
    "nwkr._explanation",
    "nwkr._attention_weights",
    "nwkr._partial_fit",
    "nwkr._score",
    "nwkr._search",
    "nwkr._descents",
    "nwkr._search_parameters",
    "nwkr._left_out",
    "nwkr._folds",
    "nwkr._progress",
    "nwkr._ranking",
    "nwkr._projection",
    "nwkr._descent",
    "nwkr._objective",
    "nwkr._matrices",
    "nwkr._base",
    "nwkr._cache",
    "nwkr._restored_on_error",
    "nwkr._namespaces",
    "nwkr._input",
    "nwkr._jackknife",
    "nwkr._quantiles",
    "nwkr._spread",
    "nwkr._effective",
    "nwkr._metrics",
    "nwkr._leave_one_out",
    "nwkr._newton_slopes",
    "nwkr._newton_rows",
    "nwkr._newton_step",
    "nwkr._local_slopes",
    "nwkr._targets",
    "nwkr._local",
    "nwkr._local_fit",
    "nwkr._ridge",
    "nwkr._scoring",
    "nwkr._resolve_window",
    "nwkr._matrix_bandwidth",
    "nwkr._window",
    "nwkr._mapped_columns",
    "nwkr._masses",
    "nwkr._row_order",
    "nwkr._feature_bandwidths",
    "nwkr._columns",
    "nwkr._which_features",
    "nwkr._features",
    "nwkr._column_values",
    "nwkr._numeric",
    "nwkr._lazy",
    "nwkr._distances",
    "nwkr._width_unit",
    "nwkr.bandwidths",
    "nwkr._quartiles",
    "nwkr._nearest",
    "nwkr._pooling",
    "nwkr._pooling._shared_lattice",
    "nwkr._pooling._attention",
    "nwkr._pooling._ways",
    "nwkr._pooling._way",
    "nwkr._pooling._blocks",
    "nwkr._pooling._lattice",
    "nwkr._pooling._costs",
    "nwkr._pooling._moments",
    "nwkr._pooling._visits",
    "nwkr._pooling._neighbourhoods",
    "nwkr._pooling._shares",
    "nwkr._pooling._query_blocks",
    "nwkr._pooling._surroundings",
    "nwkr._pooling._block_mask",
    "nwkr._pooling._prepared",
    "nwkr._pooling._boxes",
    "nwkr._pooling._slopes",
    "nwkr._pooling._gradients",
    "nwkr._pooling._device",
    "nwkr._pooling._dense",
    "nwkr._pooling._tiles",
    "nwkr._pooling._exactly",
    "nwkr._pooling._rows",
    "nwkr._pooling._metric",
    "nwkr._pooling._sphere",
    "nwkr._pooling._euclidean",
    "nwkr._pooling._pairs",
    "nwkr._pooling._mask",
    "nwkr._pooling._kinds",
    "nwkr._pooling._error_free",
    "nwkr._pooling._values",
    "nwkr._pooling._product",
    "nwkr._pooling._threads",
    "nwkr._pooling._sums",
    "nwkr._pooling._exponential",
    "nwkr._pooling._compiled",
    "nwkr._pooling._sizes",
    "nwkr.kernels",
    "nwkr._radial_moments",
    "nwkr._callable_kernels",
    "nwkr._symbolic",
    "nwkr._profiles",
    "nwkr._counts",
    "nwkr._trend",
    "nwkr._logistic",
    "nwkr._arrays",
    "nwkr._validation",
]
MODULES = sorted(
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
)


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


def test_every_module_has_its_place():
    assert sorted(ORDER) == sorted(MODULES)


def test_imports_point_one_way():
    for number, module in enumerate(ORDER):
        names = [name for name in imported_by(module) if ":" not in name]
        ours = {name for name in names if name.startswith("nwkr")}
        assert ours <= set(ORDER[number + 1 :]), module


def test_private_names_of_scikit_learn_are_in_one_place():
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


def test_what_is_public_is_listed_and_documented():
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


def test_import_needs_nothing_optional():
    # scikit-learn loads pandas where it is installed; nwkr must not ask for it.
    optional = "pandas=None, matplotlib=None, numba=None, dask=None, distributed=None"
    code = f"import sys; sys.modules.update({optional}); import nwkr"
    subprocess.run([sys.executable, "-c", code], check=True)
