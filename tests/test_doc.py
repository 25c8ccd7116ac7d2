"""The documentation: its code runs, its lists are complete, and its version is the package's."""

import ast
import doctest
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

import nwkr
from nwkr import bandwidths, displays, kernels
from nwkr._validation import HAS_NAMESPACES

ROOT = Path(__file__).parents[1]
DOC = ROOT / "doc"
BUILT = {"_build", "auto_examples", "generated"}


def read(path):
    return (DOC / path).read_text(encoding="utf-8")


SOURCES = sorted(page.relative_to(DOC) for page in DOC.rglob("*.rst"))
WRITTEN = [page.as_posix() for page in SOURCES if page.parts[0] not in BUILT]
PAGES = [page for page in WRITTEN if ">>>" in read(page)]


@pytest.mark.parametrize("page", PAGES)
def test_code_gives_the_output_shown(page):
    if "import torch" in read(page):
        pytest.importorskip("torch")
        if not HAS_NAMESPACES:
            pytest.skip("this scikit-learn dispatches to no namespace as it is used here")
    assert "doctest:" not in read(page), "a page must not skip or loosen anything by itself"
    if "import dask" in read(page):
        pytest.importorskip("dask")
    result = doctest.testfile(
        str(DOC / page),
        module_relative=False,
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
        encoding="utf-8",
    )
    assert result.attempted > 0
    assert result.failed == 0


def test_every_chapter_has_code():
    chapters = {page for page in WRITTEN if page.startswith("user_guide/")}
    assert chapters - {"user_guide/index.rst"} < set(PAGES)


def test_the_table_of_kernels_is_the_registry():
    rows = re.findall(r'^   \* - ``"(\w+)"``$', read("user_guide/kernels.rst"), re.M)
    assert rows == list(kernels.KERNELS)


def test_the_kernel_shown_is_in_the_source():
    page, source = read("adding_a_kernel.rst"), read("../nwkr/kernels.py")
    profiles = read("../nwkr/_profiles.py")
    functions = re.findall(r":pyobject: (\w+)", page)
    (before,) = re.findall(r":start-after: (.+)", page)
    assert functions
    assert all(profiles.count(f"\ndef {function}(") == 1 for function in functions)
    assert source.count(before) == 1
    assert source.split(before)[1].partition("\n")[2].split()[:2] == ["Kernel(", '"cosine",']


def test_the_api_page_lists_all_public_names():
    listed = re.findall(r"^   ((?:kernels\.|bandwidths\.|displays\.)?\w+)$", read("api.rst"), re.M)
    estimators = {name for name in nwkr.__all__ if name.startswith("NadarayaWatson")}
    of_kernels = {f"kernels.{name}" for name in kernels.__all__}
    of_bandwidths = {f"bandwidths.{name}" for name in bandwidths.__all__}
    over_chunks = re.findall(r"^   dask\.(\w+)$", read("api.rst"), re.M)
    assert set(over_chunks) == estimators
    of_displays = {f"displays.{name}" for name in displays.__all__}
    assert set(listed) == estimators | {"last_step"} | of_kernels | of_bandwidths | of_displays


ESTIMATORS = [name for name in nwkr.__all__ if name.startswith("NadarayaWatson")]


@pytest.mark.parametrize("name", [*ESTIMATORS, *(f"dask.{name}" for name in ESTIMATORS)])
def test_methods_describe_their_own_estimator(name):
    package, _, name = name.rpartition(".")
    home = pytest.importorskip("nwkr.dask") if package else nwkr
    estimator = getattr(home, name)
    others = r"regressor|R2" if "Classifier" in name else r"classif|class label|class weight"
    for method, function in inspect.getmembers(estimator, callable):
        if method.startswith(("_", "get_", "set_")):
            continue
        assert function.__module__.startswith("nwkr."), method
        text = re.sub(r"^ *>>>.*$", "", inspect.getdoc(function), flags=re.M)
        assert not re.search(others, text), method


@pytest.mark.parametrize("name", ESTIMATORS)
def test_parameters_are_documented_with_their_defaults(name):
    estimator = getattr(nwkr, name)
    section = inspect.getdoc(estimator).split("\nAttributes\n")[0]
    documented = re.findall(r"^(\w+) : .*, default=(.+)$", section, re.M)
    signature = inspect.signature(estimator).parameters.items()
    assert [name for name, _ in documented] == [name for name, _ in signature]
    for (_, default), (_, parameter) in zip(documented, signature):
        assert ast.literal_eval(default) == parameter.default


@pytest.mark.parametrize("name", ESTIMATORS)
def test_fit_sets_the_documented_attributes(name):
    section = inspect.getdoc(getattr(nwkr, name)).split("\nAttributes\n")[1]
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame({"size": np.arange(40.0), "age": np.arange(40.0) % 7})
    model = getattr(nwkr, name)().fit(X, np.arange(40) % 3)
    found = {attribute for attribute in vars(model) if re.fullmatch(r"[a-z]\w*_", attribute)}
    assert found | {"attention_weights_"} == set(re.findall(r"^(\w+_) : ", section, re.M))


@pytest.mark.parametrize(
    ("file", "pattern"),
    [("CITATION.cff", r"^version: (\S+)$"), ("CHANGELOG.md", r"^(\d\S+)( \(unreleased\))?$")],
)
def test_the_version_is_that_of_the_package(file, pattern):
    assert re.search(pattern, read(f"../{file}"), re.M)[1] == nwkr.__version__
