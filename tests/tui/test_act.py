"""A command line that is shown can be pasted into a shell, and drives no terminal, whatever names are in it."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.tui.conftest import HOSTILE
from tests.tui.test_looks import UNSAFE
from tui.act import Act


@pytest.mark.parametrize("name", [*HOSTILE, "it's \\ 1\x1b1", "plain 'quotes'", "a b"])
def test_bash_reads_the_name_that_was_meant(name: str) -> None:
    line = Act(words=("diagnose", name), title="").line
    assert not UNSAFE.search(line)
    typed = line.replace("lifeboat diagnose", "printf %s", 1)
    ran = subprocess.run(["bash", "-c", typed], capture_output=True, check=True)
    assert ran.stdout == os.fsencode(name)
