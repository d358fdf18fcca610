# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the rates of the corpus at the end of a run."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    def count(outcome: str, test: str) -> int:
        reports = terminalreporter.stats.get(outcome, [])
        return sum(f"{test}[" in report.nodeid for report in reports if report.when == "call")

    found, missed = count("passed", "test_a_break_is_found"), count("failed", "test_a_break_is_found")
    fine, blamed = (
        count("passed", "test_a_look_alike_is_not_blamed"),
        count("failed", "test_a_look_alike_is_not_blamed"),
    )
    doubtful, missed_doubts = (
        count("passed", "test_a_doubt_is_a_warning"),
        count("failed", "test_a_doubt_is_a_warning"),
    )
    terminalreporter.write_line(f"corpus: {found} of {found + missed} breaks found")
    terminalreporter.write_line(f"corpus: {blamed} of {fine + blamed} look-alikes blamed")
    terminalreporter.write_line(f"corpus: {doubtful} of {doubtful + missed_doubts} doubts told")
