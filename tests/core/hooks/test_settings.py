"""What is wrong with a hook's settings is reported with it; others go on."""

from __future__ import annotations

import tomllib

import pytest

from core.errors import Refused
from core.hooks.settings import Hook, parse_hooks


def hook(text: str) -> Hook:
    return parse_hooks(tomllib.loads(f"[hooks]\nh = {text}"))[0]


def test_a_hook_says_what_it_runs_and_for_what() -> None:
    assert hook('{ run = ["x"] }').wants("place", "printer")
    some = hook('{ run = ["x", "y"], timeout = 3, attempts = 2, kind = "place", property = ["printer", "name"] }')
    assert (some.argv, some.timeout_s, some.attempts, some.problem) == (("x", "y"), 3.0, 2, None)
    asked = [("place", "printer"), ("place", "name"), ("place", "vid"), ("host", "printer"), (None, "printer")]
    assert [some.wants(*each) for each in asked] == [True, True, False, False, False]


@pytest.mark.parametrize(
    "text",
    [
        '"x"',
        "{}",
        '{ run = "x" }',
        "{ run = [] }",
        '{ run = ["x"], when = 1 }',
        '{ run = ["x"], attempts = 0 }',
        '{ run = ["x"], attempts = true }',
        '{ run = ["x"], timeout = 0 }',
        '{ run = ["x"], kind = 1 }',
    ],
)
def test_what_cannot_be_is_reported_with_the_hook(text: str) -> None:
    assert "settings.toml: hooks.h" in str(hook(text).problem)


def test_hooks_are_a_table() -> None:
    with pytest.raises(Refused, match="hooks must be a table"):
        parse_hooks({"hooks": 1})
