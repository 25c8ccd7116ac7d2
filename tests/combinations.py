"""Selects the combinations of kernels and other cases that the tests run."""

from collections import defaultdict

from nwkr.kernels import KERNELS

# An endless kernel and a compact one.
IN_EVERY_CASE = {"gaussian", "biweight"}


def surplus(items):
    """Yield the tests that repeat another test of their function with another kernel.

    Where a test runs all combinations of the registry and other cases, the kernels in IN_EVERY_CASE
    run in every case, and each other kernel runs in one.
    """
    of_function = defaultdict(list)
    for item in items:
        if {"kernel"} < getattr(getattr(item, "callspec", None), "params", {}).keys():
            of_function[item.path, item.originalname].append(item)
    for tests in of_function.values():
        kernel_of = {test: str(test.callspec.params["kernel"]) for test in tests}
        kernels, cases = sorted(set(kernel_of.values())), {}
        case_of = {
            test: cases.setdefault(test.callspec.id.replace(kernel, "", 1), len(cases))
            for test, kernel in kernel_of.items()
        }
        all_combinations = len(tests) == len(kernels) * len(cases)
        if not all_combinations or len(kernels) <= len(KERNELS) / 2:  # the test chose its kernels
            continue
        for test, kernel in kernel_of.items():
            meet = case_of[test] == kernels.index(kernel) % len(cases)
            if not meet and kernel not in IN_EVERY_CASE:
                yield test
