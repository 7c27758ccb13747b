"""A registered secret comes out in none of its spellings."""

from __future__ import annotations

import base64
from urllib.parse import quote

import msgspec
import pytest

from toolkit.display import display
from toolkit.events import Action, By, Failure, ItemReported, JobCreated, JobFinished, Outcome, RawName
from toolkit.masking import Mask

SECRET = 'hünter2 "&/\n second line of it'


@pytest.mark.parametrize(
    "spelling",
    [
        SECRET,
        display(SECRET),
        quote(SECRET, safe=""),
        quote(SECRET),
        msgspec.json.encode(SECRET).decode(),
        base64.b64encode(SECRET.encode()).decode(),
        "second line of it",
    ],
)
def test_every_spelling_is_masked(spelling: str) -> None:
    masked = Mask([SECRET]).text(f"before {spelling} after")
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    assert "***" in masked
    assert "second" not in masked


def test_short_secrets_are_masked_as_words_only() -> None:
    assert Mask(["ab"]).text("ab abacus ab.") == "*** abacus ***."


def test_passwords_in_addresses_are_masked_without_being_registered() -> None:
    assert Mask().text("clone https://bob:pa55@git.example.org/x.git") == "clone https://***@git.example.org/x.git"
    assert Mask().text("see https://git.example.org:8443/x") == "see https://git.example.org:8443/x"


def test_every_field_of_a_struct_is_masked_but_words_of_the_protocol() -> None:
    mask = Mask(["hunter22", "failed"])
    created = JobCreated(op="x", targets=("a/hunter22", RawName("h", base64.b64encode(b"\xffhunter22").decode())))
    line = msgspec.json.encode(mask.struct(created))
    assert b"hunter22" not in line
    assert base64.b64encode(b"\xffhunter22") not in line
    finished = JobFinished(status=Outcome.FAILED, exit=1, error=Failure("x", "no hunter22 here", hint="hunter22"))
    assert mask.struct(finished).status is Outcome.FAILED
    assert mask.struct(finished).error == Failure("x", "no *** here", hint="***")
    assert mask.struct(ItemReported(path="p", action=Action.FAILED)).action is Action.FAILED
    assert mask.struct(JobCreated(op="x", by=By(user="hunter22"))).by == By(user="***")


def test_secrets_can_be_added_later_and_empty_ones_are_ignored() -> None:
    mask = Mask(["", "  "])
    assert mask.text("-  -") == "-  -"
    mask.add("late secret")
    assert mask.text("the late secret") == "the ***"
