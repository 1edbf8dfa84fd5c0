"""Remedies that advise the opposite of what the leading findings advise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gradscope.record import Action, Finding, Remedy, Verdict

_LOWER = frozenset([Action.LOWER_LEARNING_RATE, Action.DEFAULT_LEARNING_RATE])
_RAISE = frozenset([Action.RAISE_LEARNING_RATE])
_OPPOSITES = ((_LOWER, _RAISE), (_RAISE, _LOWER))

REPLACING_UPDATE = 1.0
"""A step of the size of the weights replaces them. A leaky activation keeps units alive after it,
but not the network: docs/remedies.md has it after steps of 0.59 and of 2 times the weights."""


def without_contradictions(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """The verdicts in their order, each without remedies against those of the ones before.

    A remedy is given up as a whole finding's: the alternatives beside it belong to the same story.
    """
    advised: set[Action] = set()
    kept = []
    replaced = any(
        finding.observed >= REPLACING_UPDATE
        for verdict in verdicts
        for finding in verdict.findings
        if verdict.name == "unstable_updates"
    )
    for verdict in verdicts:
        findings = tuple(_agreeing(finding, advised) for finding in verdict.findings)
        if replaced:
            findings = tuple(_without_leaky(finding) for finding in findings)
        advised |= {remedy.action for finding in findings for remedy in finding.remedies}
        kept.append(replace(verdict, findings=findings) if verdict.findings else verdict)
    return tuple(kept)


def _agreeing(finding: Finding, advised: set[Action]) -> Finding:
    against = any(_contradicts(remedy, advised) for remedy in finding.remedies)
    return replace(finding, remedies=()) if against else finding


def _without_leaky(finding: Finding) -> Finding:
    """The finding without a leaky activation as an alternative."""
    first, others = finding.remedies[:1], finding.remedies[1:]
    kept = [remedy for remedy in others if remedy.action is not Action.USE_LEAKY_ACTIVATION]
    return replace(finding, remedies=(*first, *kept))


def _contradicts(remedy: Remedy, advised: set[Action]) -> bool:
    return any(remedy.action in one and advised & other for one, other in _OPPOSITES)
