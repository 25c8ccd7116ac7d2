"""The reading order of the examples; examples not listed here come last."""

READING_ORDER = [
    "plot_quickstart.py",
    "plot_attention_pooling.py",
    "plot_attention_in_pytorch.py",
    "plot_unit_sphere_attention.py",
    "plot_parzen_classifier.py",
    "plot_naive_width_overfits.py",
    "plot_local_lines.py",
    "plot_classes_with_a_trend.py",
    "plot_wages.py",
    "plot_categories.py",
    "plot_choosing_the_bandwidth.py",
    "plot_learned_metric.py",
    "plot_tuning_on_real_data.py",
    "plot_time_series.py",
    "plot_variable_widths.py",
    "plot_explanation.py",
    "plot_uncertainty.py",
    "plot_coverage.py",
    "plot_conditional_density.py",
    "plot_slopes.py",
    "plot_displays.py",
    "plot_consistency.py",
    "plot_large_data.py",
    "plot_more_than_one_machine.py",
]


class InReadingOrder:
    """Sorting key of an example's file name, as a class because sphinx-gallery needs one."""

    def __init__(self, src_dir):
        pass

    def __call__(self, name):
        known = name in READING_ORDER
        return READING_ORDER.index(name) if known else len(READING_ORDER), name
