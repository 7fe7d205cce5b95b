"""Random numbers by name: what one part of the world draws never shifts what another draws."""

import hashlib

import numpy as np


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Make the generator for one purpose; equal seed and names give equal numbers.

    Parameters
    ----------
    seed
        Of the world.
    names
        What the numbers are for, for example ``"noise", 12``.
    """
    text = "\0".join(str(name) for name in names)
    words = hashlib.sha256(text.encode()).digest()[:8]
    return np.random.default_rng(np.random.SeedSequence([seed, int.from_bytes(words, "big")]))
