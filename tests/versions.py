"""What differs between the versions that are tested."""

import polars as pl
import sklearn
from sklearn.utils.fixes import parse_version

# Before 1.9 scikit-learn reads names through `__dataframe__`, which polars 2 has no longer.
POLARS_HAS_NAMES = parse_version(sklearn.__version__) >= parse_version("1.9") or hasattr(
    pl.DataFrame, "__dataframe__"
)
