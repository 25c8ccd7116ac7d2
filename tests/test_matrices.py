"""Matrices built from blocks of rows: contents, order and memory."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nwkr._matrices import DenseMatrix, SparseMatrix


def blocks_of(rng, matrix, size):
    """The rows, in blocks in random order; each block has its nonzero columns in random order."""
    for rows in np.array_split(rng.permutation(len(matrix)), len(matrix) // size):
        cols = rng.permutation(np.flatnonzero(matrix[rows].any(axis=0)))
        yield rows, cols, matrix[np.ix_(rows, cols)]


def test_matrices_hold_the_blocks(rng):
    expected = rng.uniform(size=(23, 31)) * (rng.uniform(size=(23, 31)) < 0.2)
    expected[7], expected[8] = 0, np.nan
    for matrix in DenseMatrix(expected.shape), SparseMatrix(expected.shape):
        for block in blocks_of(rng, expected, 5):
            matrix.put(*block)
        finished = matrix.finish()
        if isinstance(matrix, SparseMatrix):
            assert finished.has_canonical_format
            assert finished.nnz == np.count_nonzero(expected)
            assert finished.indices.dtype == finished.indptr.dtype == np.int32
            finished = finished.toarray()
        assert_array_equal(finished, expected)


def test_error_for_too_little_memory_says_what_to_do():
    with pytest.raises(MemoryError, match=r"20000000 queries .* rows would take 2.98e\+06 GiB\. "):
        DenseMatrix((20_000_000, 20_000_000))


def test_entries_are_stored_once(rng):
    weights = rng.uniform(0.5, 1, size=(10, 4000))
    matrix = SparseMatrix((500, 4000))
    tracemalloc.start()
    try:
        for start in range(0, 500, 10):
            matrix.put(np.arange(start, start + 10), np.arange(4000), weights)
        finished = matrix.finish()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2.2 * (finished.data.nbytes + finished.indices.nbytes)
