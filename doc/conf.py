"""Configuration of Sphinx: ``python -m sphinx -W -b html doc doc/_build/html``."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from docutils.nodes import reference

# This must be set before SciPy is imported, for the example of tensors.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import nwkr

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from draw_kernels import draw_kernels  # noqa: E402

project = "nwkr"
author = "The nwkr developers"
copyright = author
version = release = nwkr.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinx-mathjax-offline",  # formulas without a network
]
exclude_patterns = ["_build", "sg_execution_times.rst", "auto_examples/*.ipynb"]
templates_path = ["_templates"]
default_role = "literal"
smartquotes_action = "De"  # strings keep their straight quotes

# The class template lists the contents of a class page; numpydoc formats the sections.
numpydoc_show_class_members = False
autodoc_member_order = "bysource"
toc_object_entries_show_parents = "hide"

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    # PyTorch is optional, for the documentation too.
    "ignore_pattern": "__init__" if find_spec("torch") else "in_pytorch",
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": "gallery_order.InReadingOrder",
    "backreferences_dir": "generated/backreferences",
    "doc_module": "nwkr",
    "reference_url": {"nwkr": None},
    "show_memory": False,
    "show_signature": False,
}

html_theme = "pydata_sphinx_theme"
html_title = f"nwkr {version}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["nwkr.css"]
html_sidebars = {page: [] for page in ("index", "adding_a_kernel", "source", "whats_new")}
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": True,
}


PAGES_OF = {
    "pandas": "https://pandas.pydata.org/docs/reference/api/",
    "scipy": "https://docs.scipy.org/doc/scipy/reference/generated/",
    "sklearn": "https://scikit-learn.org/stable/modules/generated/",
}


def link_to_other_packages(app, env, node, contnode):
    """Link references into other packages to their web pages, without downloading inventories."""
    target = node.get("reftarget", "")
    pages = PAGES_OF.get(target.partition(".")[0])
    if pages is None:
        return None
    return reference("", "", contnode, internal=False, refuri=f"{pages}{target}.html")


def setup(app):
    app.connect("builder-inited", lambda app: draw_kernels(HERE / "generated" / "kernels.svg"))
    app.connect("missing-reference", link_to_other_packages)
