from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.vault import layout
from toolkit.vault.layout import Vault


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return layout.create_vault(tmp_path / "vault")
