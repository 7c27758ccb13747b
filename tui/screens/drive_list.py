"""The lists of Drive, in which `g` gets a backup: Home goes to the first row there."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from tui.widgets.rows import Rows


class DriveRows(Rows, inherit_bindings=False):
    """A list whose keys leave `g` to the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("home", one.action, one.description, show=False)
        if isinstance(one, Binding) and one.key == "home,g"
        else one
        for one in Rows.BINDINGS
    ]
