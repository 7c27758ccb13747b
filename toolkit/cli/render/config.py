"""What `config` writes, shows and finds."""

from __future__ import annotations

from toolkit.display import display
from toolkit.operations.configuration import ConfigReport


def init_text(report: ConfigReport) -> list[str]:
    """Return where the configuration was written and what to do with it, or the text itself."""
    if report.text is not None:
        return report.text.rstrip("\n").split("\n")
    return [
        f"wrote {display(report.file)} with the profile {report.profile}",
        f"look at it, then: lifeboat -c {display(report.file)} backup {report.profile}",
    ]


def config_text(report: ConfigReport) -> list[str]:
    """Return the configuration or its schema as it is: both are ASCII that no name can break."""
    return (report.text or "").rstrip("\n").split("\n")


def valid_text(report: ConfigReport) -> list[str]:
    """Return that the configuration is valid."""
    return [f"{display(report.file)}: valid"]
