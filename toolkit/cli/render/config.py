"""What `config` writes, shows and finds."""

from __future__ import annotations

from toolkit.display import display
from toolkit.operations.configuration import ConfigReport
from toolkit.operations.proofs import ProofReport


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


_HOW = {
    "code": "proven",
    "identity": "proven: its private key is on this machine",
    "accepted": "accepted without proof",
    "": "not proven",
}


def proof_text(report: ProofReport) -> list[str]:
    """Return how each recipient is proven, and the messages to be decrypted."""
    lines = [f"{display(row.recipient)}: {_HOW.get(row.how, row.how)}" for row in report.recipients]
    for challenge in report.challenges:
        lines += [
            "",
            f"decrypt this where the private key of {display(challenge.recipient)} is, with age -d -i KEY:",
            "",
        ]
        lines += challenge.message.splitlines()
    if report.challenges:
        lines += ["", f"then, here: lifeboat config prove-key {display(report.profile)} --code CODE"]
    return lines


def valid_text(report: ConfigReport) -> list[str]:
    """Return that the configuration is valid."""
    return [f"{display(report.file)}: valid"]
