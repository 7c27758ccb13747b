"""The zstd library: the standard one from Python 3.14 on, its backport before."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING or sys.version_info < (3, 14):
    from backports import zstd
else:  # pragma: no cover
    from compression import zstd

__all__ = ["zstd"]
