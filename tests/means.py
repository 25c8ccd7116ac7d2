"""The searches restricted to means and leave-one-out, which have plain formulas.

`test_search_of_lines.py` tests lines and criteria of the fit, `test_search_of_classes.py` classes
with a trend.
"""

import nwkr


class NadarayaWatsonRegressorCV(nwkr.NadarayaWatsonRegressorCV):
    """With other defaults."""

    def __init__(
        self,
        kernel="gaussian",
        bandwidths="auto",
        *,
        degrees=(0,),
        per_feature=False,
        n_components=None,
        ridge=1.0,
        shrinkage=0.01,
        scoring=None,
        cv=None,
        gap=None,
        subsample="auto",
        random_state=None,
        metric="euclidean",
        metric_params=None,
        categorical_features="from_dtype",
        ordered_features=None,
        periodic_features=None,
        one_sided=None,
        handle_empty="nearest",
        algorithm="auto",
        tol=0.0,
        n_jobs=None,
    ):
        super().__init__(
            kernel,
            bandwidths,
            degrees=degrees,
            per_feature=per_feature,
            n_components=n_components,
            ridge=ridge,
            shrinkage=shrinkage,
            scoring=scoring,
            cv=cv,
            gap=gap,
            subsample=subsample,
            random_state=random_state,
            metric=metric,
            metric_params=metric_params,
            categorical_features=categorical_features,
            ordered_features=ordered_features,
            periodic_features=periodic_features,
            one_sided=one_sided,
            handle_empty=handle_empty,
            algorithm=algorithm,
            tol=tol,
            n_jobs=n_jobs,
        )

    @property
    def _criterion(self):
        return None if self.scoring is None else super()._criterion


class NadarayaWatsonClassifierCV(nwkr.NadarayaWatsonClassifierCV):
    """With other defaults."""

    def __init__(
        self,
        kernel="gaussian",
        bandwidths="auto",
        *,
        degrees=(0,),
        per_feature=False,
        n_components=None,
        ridge=1.0,
        shrinkage=0.01,
        scoring=None,
        cv=None,
        gap=None,
        subsample="auto",
        random_state=None,
        metric="euclidean",
        metric_params=None,
        categorical_features="from_dtype",
        ordered_features=None,
        periodic_features=None,
        one_sided=None,
        handle_empty="nearest",
        outlier_label=None,
        algorithm="auto",
        tol=0.0,
        class_weight=None,
        n_jobs=None,
    ):
        super().__init__(
            kernel,
            bandwidths,
            degrees=degrees,
            per_feature=per_feature,
            n_components=n_components,
            ridge=ridge,
            shrinkage=shrinkage,
            scoring=scoring,
            cv=cv,
            gap=gap,
            subsample=subsample,
            random_state=random_state,
            metric=metric,
            metric_params=metric_params,
            categorical_features=categorical_features,
            ordered_features=ordered_features,
            periodic_features=periodic_features,
            one_sided=one_sided,
            handle_empty=handle_empty,
            outlier_label=outlier_label,
            algorithm=algorithm,
            tol=tol,
            class_weight=class_weight,
            n_jobs=n_jobs,
        )
