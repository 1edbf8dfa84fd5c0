"""No file of the repository holds a key, a token or a password."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.each_case import each_case

ROOT = Path(__file__).parents[1]
LARGEST = 2**22
"""Bytes that are read of a file."""

SECRETS = {
    "a private key": rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----",
    "a key of AWS": rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "a token of GitHub": rb"\b(?:gh[pousr]_[0-9A-Za-z]{36,}|github_pat_[0-9A-Za-z_]{60,})",
    "a token of GitLab": rb"\bglpat-[0-9A-Za-z_-]{20,}",
    "a token of PyPI": rb"\bpypi-[0-9A-Za-z_-]{60,}",
    "a token of npm": rb"\bnpm_[0-9A-Za-z]{36}\b",
    "a token of Slack": rb"\bxox[abeprs]-[0-9A-Za-z-]{20,}",
    "a key of Google": rb"\bAIza[0-9A-Za-z_-]{35}\b",
    "a token of Hugging Face": rb"\bhf_[0-9A-Za-z]{34,}\b",
    "a key of a model's service": rb"\bsk-(?:[a-z]+-)*[0-9A-Za-z_-]{32,}",
    "a JSON web token": rb"\beyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}",
    "a password in an address": rb"\b[a-z][a-z+]{2,9}://[^\s/:@'\"<>{}$]+:[^\s/:@'\"<>{}$]+@[\w.-]+",
    "a password that is assigned": (
        rb"\b(?i:password|passwd|secret|api_?key|access_?token)\b['\"]?\s*[:=]\s*"
        rb"['\"][^'\"\s{}$<]{8,}['\"]"
    ),
}
_PATTERN = re.compile(b"|".join(b"(?P<kind_%d>%s)" % item for item in enumerate(SECRETS.values())))


def secrets(content: bytes) -> list[str]:
    """The kinds of secret in `content`."""
    kinds = tuple(SECRETS)
    return [
        kinds[int(match.lastgroup.removeprefix("kind_"))]
        for match in _PATTERN.finditer(content)
        if match.lastgroup
    ]


def test_no_file_holds_a_secret() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False, encoding="utf-8"
    )
    if listed.returncode != 0:
        pytest.skip("this is not a checkout of git")
    names = [name for name in listed.stdout.split("\0") if name]
    assert len(names) > 500
    held = {}
    for name in names:
        path = ROOT / name
        if path.is_file():
            with path.open("rb") as file:
                held[name] = secrets(file.read(LARGEST))
    assert not {name: kinds for name, kinds in held.items() if kinds}


EXAMPLES = (
    ("a private key", "-----BEGIN RSA PRIVATE" + " KEY-----"),
    ("a key of AWS", "AKIA" + "B" * 16),
    ("a token of GitHub", "ghp_" + "a" * 36),
    ("a token of GitLab", "glpat-" + "a" * 20),
    ("a token of PyPI", "pypi-" + "A" * 70),
    ("a token of npm", "npm_" + "a" * 36),
    ("a token of Slack", "xoxb-" + "1" * 24),
    ("a key of Google", "AIza" + "b" * 35),
    ("a token of Hugging Face", "hf_" + "c" * 34),
    ("a key of a model's service", "sk-proj-" + "d" * 40),
    ("a JSON web token", "eyJ" + "a" * 12 + ".eyJ" + "b" * 12 + "." + "c" * 12),
    ("a password in an address", "https://me:hunter2" + "@example.org"),
    ("a password that is assigned", "PassWord = '" + "hunter2hunter2'"),
)


def test_every_kind_has_an_example() -> None:
    assert [kind for kind, _ in EXAMPLES] == list(SECRETS)


@each_case(("kind", "text"), EXAMPLES)
def test_a_planted_secret_is_noticed(kind: str, text: str) -> None:
    assert secrets(f"x = 1\n{text}\n".encode()) == [kind]


@each_case("text", ("sk-learn", "password: str", "https://example.org:80/a@b", "token = token()"))
def test_plain_text_is_none(text: str) -> None:
    assert not secrets(text.encode())
