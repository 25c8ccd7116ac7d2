"""Differences between the tested versions of packages."""

import polars as pl
import sklearn
from sklearn.utils.fixes import parse_version

# Before 1.9, scikit-learn reads names through `__dataframe__`, which polars 2 lacks.
POLARS_HAS_NAMES = parse_version(sklearn.__version__) >= parse_version("1.9") or hasattr(
    pl.DataFrame, "__dataframe__"
)
