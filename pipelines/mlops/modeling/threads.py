"""One thread for every numeric kernel, so that sums don't depend on the number of cores."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS and OpenMP to one thread each inside the block.

    Floating-point addition isn't associative: a sum split over four cores differs in its last bits
    from one split over two, and after that so does the hash of every out.
    """
    # Limits reach only libraries that are loaded already: scikit-learn brings OpenMP and SciPy's
    # BLAS. Gradient boosting even writes the number of threads it found into the model.
    import sklearn.ensemble  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
