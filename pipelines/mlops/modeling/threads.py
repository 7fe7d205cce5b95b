"""One thread for every numeric kernel, so that sums don't depend on the number of cores."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS and OpenMP to one thread each inside the block.

    Floating-point addition isn't associative: a sum split over four cores differs in its last bits
    from one split over two, and after that so does the hash of every out.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
