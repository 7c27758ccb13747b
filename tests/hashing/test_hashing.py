"""Hashing beside the reader gives what hashlib gives, also in a forked child."""

from __future__ import annotations

import hashlib
import os
import random

import pytest

from toolkit.beside import LARGE
from toolkit.hashing import Digest


@pytest.mark.parametrize("sizes", [(), (0,), (1, LARGE, 3), (LARGE,) * 9, (LARGE * 3 + 1, 5, LARGE)])
def test_it_is_the_digest_of_all_pieces_in_order(sizes: tuple[int, ...]) -> None:
    pieces = [random.randbytes(size) for size in sizes]
    digest = Digest()
    for piece in pieces:
        digest.update(memoryview(piece))
    assert digest.hexdigest() == hashlib.sha256(b"".join(pieces)).hexdigest()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_gets_a_thread_of_its_own() -> None:
    piece = bytes(LARGE)
    Digest().update(piece)
    child = os.fork()
    if not child:
        digest = Digest()
        digest.update(piece)
        os._exit(0 if digest.hexdigest() == hashlib.sha256(piece).hexdigest() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
