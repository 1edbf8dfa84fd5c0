"""Look the installed packages up in the advisories of PyPI and OSV, by pip-audit.

Exits 0 where a source looked packages up and knows no weakness, 1 where it knows one, and 3 where
no source could be reached or each skipped every package: then nothing is known.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

SOURCES = ("pypi", "osv")
UNKNOWN = 3


def advisories(source: str) -> list[dict[str, Any]] | None:
    """The installed packages and their advisories; None where the source gave no answer."""
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--vulnerability-service"]
    options = [source, "--progress-spinner", "off", "--skip-editable", "--timeout", "20"]
    done = subprocess.run(
        [*command, *options], capture_output=True, encoding="utf-8", check=False, timeout=600
    )
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        print(f"{source}: no answer: {reason:.200}")
        return None
    return packages


def main() -> int:
    """Print what the first source that answers knows; the exit code."""
    for source in SOURCES:
        packages = advisories(source)
        if packages is None:
            continue
        looked_up = [package for package in packages if "vulns" in package]
        if len(looked_up) < len(packages):
            print(f"{source}: {len(packages) - len(looked_up)} of {len(packages)} packages skipped")
        if not looked_up:
            continue
        known = [(p["name"], p["version"], v["id"]) for p in looked_up for v in p["vulns"]]
        for name, version, advisory in known:
            print(f"{name} {version}: {advisory}")
        print(f"{source}: {len(looked_up)} packages looked up, {len(known)} advisories")
        return 1 if known else 0
    print("no source has looked any package up: whether there are weaknesses is not known")
    return UNKNOWN


if __name__ == "__main__":
    sys.exit(main())
