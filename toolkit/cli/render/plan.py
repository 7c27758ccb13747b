"""The plan of a destructive operation as lines, for every command that has one."""

from __future__ import annotations

import click

from toolkit.cli.again import again
from toolkit.cli.render.paragraph import paragraph
from toolkit.display import display
from toolkit.operations.pace_words import step_text, takes_text
from toolkit.operations.plan import Plan, Step
from toolkit.wording import size_text

MOST_ROWS = 20


def _figures(step: Step) -> str:
    """Return what stands behind a step: what it writes, how long it takes, whether the application is down."""
    size = f"  {size_text(step.writes_bytes)}" if step.writes_bytes else ""
    seconds = f"  {step_text(step)}" if step.est_s is not None else ""
    return f"{size}{seconds}{'  (offline)' if step.offline else ''}"


def plan_lines(plan: Plan) -> list[str]:
    """Return the plan as lines: targets, steps, what is lost and kept, space, the command that equals it."""
    lines = [click.style(f"{plan.op} {plan.digest}", bold=True)]
    lines += [f"  target   {display(target)}" for target in plan.targets[:MOST_ROWS]]
    for step in plan.steps:
        lines += paragraph(f"{step.n}.", f"{step.title}{_figures(step)}", hang=5)
    clashes = plan.clashes
    if clashes.same or clashes.missing or clashes.differ:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(clashes.by_kind.items()))
        lines.append(
            f"  names    {clashes.missing} missing, {clashes.same} the same,"
            f" {clashes.differ} that differ{f' ({kinds})' if kinds else ''}"
        )
    if plan.loses.text:
        lines += paragraph("loses", plan.loses.text)
    if plan.keeps:
        lines += paragraph("keeps", plan.keeps)
    if plan.steps:
        lines += paragraph("takes", takes_text(plan))
    if plan.needs.free:
        lines.append(f"  space    {size_text(plan.needs.free)} needed, {size_text(plan.needs.have)} free")
    lines.append(f"  same as  {display(again(plan.cli))}")
    return lines
