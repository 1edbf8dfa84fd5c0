"""Print the lowest version of each dependency that pyproject.toml allows, as pip's constraints.

Run it from the repository: ``python scripts/lowest_versions.py > constraints.txt``.
`make test-lowest` installs with them and runs the tests.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)>=(?P<lowest>[\w.]+)(,<[\w.]+)?")


def constraints(requirements: Iterable[str]) -> list[str]:
    """Turn `name>=lowest` or `name>=lowest,<limit` into `name==lowest`, one for each requirement.

    Raises `ValueError` for any other form, which has no lowest version to install.
    """
    lowest = []
    for requirement in requirements:
        match = REQUIREMENT.fullmatch(requirement.replace(" ", ""))
        if match is None:
            raise ValueError(f"no lowest version in {requirement!r}: write name>=version")
        lowest.append(f"{match['name']}=={match['lowest']}")
    return lowest


if __name__ == "__main__":
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    print("\n".join(constraints(project["dependencies"])))
