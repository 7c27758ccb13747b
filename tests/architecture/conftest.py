"""What the rules of the house look at is let go after the last of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.architecture import sources


@pytest.fixture(scope="package", autouse=True)
def _trees() -> Iterator[None]:
    yield
    sources.forget()
