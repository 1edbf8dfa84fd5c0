"""Fuzz configs, baselines and records, and keep how many examples passed.

``python -m scripts.run_fuzz EXAMPLES`` runs each test with that many examples, one after another,
and writes `tests/provocations/fuzz_runs.json` after each; docs/reliability.md shows it. A test that
finds a fault is listed as failed. 6,250 examples of each test take ten minutes of CPU.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "tests" / "provocations" / "fuzz_runs.json"
TESTS = {
    "tests/config/test_fuzz.py": (
        "test_random_trees",
        "test_mutated_valid_configs",
        "test_random_overrides",
        "test_random_text",
        "test_random_bytes",
    ),
    "tests/provocations/test_damaged_files.py": (
        "test_a_damaged_baseline",
        "test_a_damaged_record",
        "test_a_record_whose_parts_are_damaged_and_packed_again",
    ),
}


def fuzz(test: str, examples: int) -> bool:
    """Run one test; whether it passed."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", test]
    variables = {**os.environ, "GRADSCOPE_FUZZ_EXAMPLES": str(examples)}
    return subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode == 0


def main() -> None:
    """Run every test and keep the result of each."""
    examples = int(sys.argv[1])
    runs = {}
    for module, names in TESTS.items():
        for name in names:
            passed = fuzz(f"{module}::{name}", examples)
            runs[name] = {"examples": examples, "passed": passed}
            RUNS.write_text(json.dumps(runs, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
