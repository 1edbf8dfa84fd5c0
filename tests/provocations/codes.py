"""The numbers of the provocations that went wrong in the first search for faults.

347 were tried, and 71 went wrong. The log of it names 65 of them by number, by these kinds.
"""

from __future__ import annotations

CODES: dict[str, str] = {
    "outputs that take the place of what stands there": "O09 O15 O16 O18 O19 O20",
    "a file outside the folder": "D18",
    "memory without bound": "B20 F44 H09 H10 R19 R24",
    "two processes in one pipe": "F10",
    "several configs": "L06 L09",
    "known only after measuring": "D12 D20 D22 D23 D24 D30 D33",
    "the result against the process": "D04 D31 D32 O06 Q03 W10",
    "hangs": "D25 F60 L10",
    "remnants of processes that were killed": "L11 S06 S12 S18 W20 W22",
    "a summary decides": "O17",
    "wrong codes": "D26 N05 O13 R12 R16 R17",
    "verdicts and words": (
        "A18 B12 B13 E05 F06 F07 F09 F18 F38 F42 M01 M02 N03 N07 R07 R21 R22 S20 S25 V27"
    ),
}
