"""What happens on the servers, for `lifeboat fleet`: one line of JSON for each piece of news, and nothing else.

A line begins with the word of LIFEBOAT_FLEET_MARK, which only this process and `lifeboat fleet` know: no server can
put words into the mouth of another by what its tasks print. `toolkit.fleet.news` reads the lines.
"""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: events
type: stdout
short_description: what happens on the servers, for lifeboat fleet
description:
  - Prints one line of JSON for each piece of news, and no results but those of the role lifeboat_run.
  - It is for C(lifeboat fleet), and of no use without it.
options: {}
"""

REPORT = "Report"
"""The task of the role lifeboat_run that has what the command answered."""


class CallbackModule(CallbackBase):
    """Ansible finds it by the name lifeboat.toolkit.events."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "lifeboat.toolkit.events"

    def _say(self, kind: str, **said: Any) -> None:
        line = json.dumps({"kind": kind, **said}, default=str)
        self._display.display(f"{os.environ.get('LIFEBOAT_FLEET_MARK', '')} {line}", screen_only=True)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Name all hosts that the play is meant for: some may never have their turn."""
        variables = play.get_variable_manager().get_vars(play=play)
        self._say("play", hosts=variables["ansible_play_hosts_all"])

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Say that a task begins on a host."""
        self._say("task", host=host.get_name(), task=task.name or task.action)

    def v2_runner_on_ok(self, result: Any) -> None:
        """Pass on what a command of Lifeboat answered; of other tasks nothing is said."""
        if result.task.name == REPORT:
            answer = result.result.get("ansible_facts", {}).get("lifeboat_run_result")
            if answer is not None:
                self._say("result", host=result.host.get_name(), result=answer)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Say why a task failed, unless that does not matter."""
        if not ignore_errors:
            self._say("failed", host=result.host.get_name(), why=_words(result.result))

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Say why a host was not reached."""
        self._say("unreachable", host=result.host.get_name(), why=_words(result.result))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Say on which hosts tasks went well, and on which they changed something."""
        self._say("end", hosts=sorted(stats.ok), changed=sorted(stats.changed))


def _words(result: dict[str, Any]) -> list[str]:
    """Return what there is of words about a failure, the best first."""
    found = [result.get(key) for key in ("msg", "stderr", "module_stderr", "stdout")]
    return [text for text in found if isinstance(text, str)]
