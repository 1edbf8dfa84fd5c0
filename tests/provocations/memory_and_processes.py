"""Inputs without bound, records that nobody measured, and processes that end in other ways."""

from __future__ import annotations

from tests.provocations.provocation import Provocation

MEMORY = "An input takes memory without bound"
PROCESSES = "Processes that are forked, stopped or killed"
RECORDS = "Records that nobody measured"


def _record(change: str) -> str:
    """A shell line that changes the record of a report: `change` is Python on `d` and `meta`."""
    return (
        "$G run small.yaml -q -o r >/dev/null 2>&1; python3 - <<'END'\n"
        "import json, numpy as np\n"
        "d = dict(np.load('r/record.npz')); meta = json.loads(d['meta'].tobytes())\n"
        f"{change}\n"
        "d['meta'] = np.frombuffer(json.dumps(meta).encode(), np.uint8) if meta else d['meta']\n"
        "np.savez_compressed('r/record.npz', **d)\nEND"
    )


PROVOCATIONS: tuple[Provocation, ...] = (
    # Memory
    Provocation(
        MEMORY,
        "a report of a device",
        "timeout 20 $G report /dev/zero",
        2,
        says="no report|not a regular file",
        codes="R19",
    ),
    Provocation(
        MEMORY,
        "a report of a pipe that nobody writes",
        "mkfifo p; timeout 20 $G report p",
        2,
        says="no report|not a regular file",
        codes="R19",
    ),
    Provocation(
        MEMORY,
        "a record whose record.npz is a pipe",
        "mkdir o; mkfifo o/record.npz; timeout 20 $G report o",
        2,
        says="not a regular file|no report",
        codes="R19",
    ),
    Provocation(
        MEMORY,
        "a record of a megabyte that inflates to one gigabyte",
        "(ulimit -v 3000000; timeout 20 $G report r)",
        2,
        says="not a record of this version",
        prepare="mkdir r; python3 -c \"import numpy as np; np.savez_compressed('r/record.npz',"
        ' meta=np.zeros(10**9, np.uint8), steps=np.zeros(1))"',
        codes="R24",
    ),
    Provocation(
        MEMORY,
        "a record whose series is longer than its steps",
        "timeout 20 $G report r",
        2,
        says="and there are 7 steps",
        prepare=_record("d['series/delta_variance'] = np.zeros((10**7, 3))"),
        codes="R24",
    ),
    Provocation(
        MEMORY,
        "more steps than memory can record",
        "timeout 20 $G validate small.yaml -s training.steps=1000000000 -s model.depth=400",
        2,
        says=r"411 TB.*training\.record_every",
        codes="H09 H10",
    ),
    Provocation(
        MEMORY,
        "400 kB that are 200 million labels",
        "(ulimit -v 3000000; ulimit -t 8; $G run net.yaml -o o)",
        2,
        says="d.npz: x has 200000000 samples; the limit is 16777216",
        prepare="python3 -c \"import numpy as np; np.savez_compressed('d.npz',"
        ' x=np.zeros((2*10**8, 1), np.uint8), y=np.zeros(2*10**8, np.uint8))";'
        " sed 's/data:.*/data: {name: npz, path: d.npz, task: classification}/' small.yaml"
        " > net.yaml",
        stand_in="unable",
        codes="B20",
    ),
    # Processes
    Provocation(
        PROCESSES,
        "temporary files of a process that was killed",
        "$G run small.yaml -o o",
        0,
        prepare="mkdir o; echo x > o/.record.npz.999999999.tmp; echo x > o/.mine.tmp",
        holds="test ! -e o/.record.npz.999999999.tmp && test -e o/.mine.tmp",
        codes="W20 W22",
    ),
    Provocation(
        PROCESSES,
        "the folder of a worker whose parent was killed",
        "$G run small.yaml -o o",
        0,
        prepare="mkdir gradscope-999999999-abc gradscope-mine; echo x > gradscope-999999999-abc/f",
        holds="test ! -e gradscope-999999999-abc && test -e gradscope-mine",
        codes="S06 S12",
    ),
    Provocation(
        PROCESSES,
        "a training that never ends",
        "timeout 30 $G run small.yaml -o o --timeout 3",
        3,
        says="stopped after step 3: it took longer than 3 s",
        holds='grep -q \'"status": "partial"\' o/result.json && test -s o/record.npz',
        stand_in="silent",
        codes="L10",
    ),
    Provocation(
        PROCESSES,
        "Ctrl-C while the second of two configs never ends",
        "timeout --preserve-status -s INT 10"
        " $G check small.yaml slow.yaml --no-baseline -j 2 --format json=j.json",
        130,
        says="stopped by SIGINT",
        prepare="sed 's/name: small/name: slow/; s/steps: 6/steps: 1000000/' small.yaml"
        " > slow.yaml",
        holds="grep -q passed j.json && grep -q 'stopped by SIGINT' j.json",
        codes="L09",
    ),
    Provocation(
        PROCESSES,
        "the worker aborts",
        "$G run small.yaml -o o",
        3,
        says="killed by SIGABRT",
        holds='grep -q \'"status": "partial"\' o/result.json',
        stand_in="abort",
        codes="F42 S25",
    ),
    *(
        Provocation(
            PROCESSES,
            fault,
            "$G run small.yaml -o o",
            3,
            says=f"not those of one training: {words}",
            holds='grep -q \'"status": "partial"\' o/result.json'
            ' && grep -q \'"verdict": "inconclusive"\' o/result.json && test -s o/record.npz',
            stand_in=behaviour,
            codes="F10",
        )
        for fault, behaviour, words in (
            ("a step comes twice", "third step twice", "step 3 came after step 3"),
            ("a step comes out of turn", "second step again", "step 2 came after step 3"),
            ("a step is missing", "no third step", "step 4 came after step 2, without step 3"),
            ("the last step is missing", "no last step", "the end came after step 5"),
        )
    ),
    Provocation(
        PROCESSES,
        "a factory that never returns",
        "timeout 200 $G run net.yaml -o o --timeout 20",
        3,
        says="stopped before the first step: it took longer than 20 s",
        prepare="printf 'import time\\ndef build():\\n    time.sleep(1000)\\n' > net.py;"
        " sed 's/model:.*/model: {factory: \"net:build\"}/' small.yaml > net.yaml",
        holds='test ! -e o && test -z "$(ls -d gradscope-* 2>/dev/null)"',
        stand_in=None,
        codes="F60 L10",
    ),
    Provocation(
        PROCESSES,
        "kill -9 of a run, and the next run",
        "$G run small.yaml -o o & until grep -qs '^noise' o/running.log; do sleep 0.1; done;"
        " ls -d gradscope-* > homes; kill -9 $!; wait $! 2>/dev/null;"
        " GRADSCOPE_STAND_IN=healthy $G run small.yaml -o o",
        0,
        holds="test -s homes && ! ls -d gradscope-* && test $(ls -A o | grep -c '^[.]') = 0"
        " && test -s o/report.html && test ! -e o/running.log",
        stand_in="silent",
        codes="L11 S06 S12 S18",
    ),
    Provocation(
        PROCESSES,
        "the temporary file of a baseline of a process that was killed",
        "$G baseline small.yaml -q",
        0,
        prepare="echo x > .small.baseline.json.999999999.tmp; echo x > .mine.999999999.tmp",
        holds="test ! -e .small.baseline.json.999999999.tmp && test -e .mine.999999999.tmp",
        codes="W20",
    ),
    # Records
    *(
        Provocation(
            RECORDS, fault, "$G report r", 2, says=says, prepare=_record(change), codes=codes
        )
        for fault, change, says, codes in (
            ("a record without a config", "meta['config'] = {}", "no section", "R12"),
            ("a record with a batch size of -1", "meta['batch_size'] = -1", "batch_size", "R16"),
            (
                "a record whose steps are text",
                "d['steps'] = d['steps'].astype('U3')",
                "not growing whole numbers",
                "R17",
            ),
            ("a record of another version", "meta['schema'] = 'gradscope.record/99'", "99", ""),
            ("a record that lacks its layers", "del meta['layers']", "not a record", ""),
        )
    ),
    Provocation(
        RECORDS,
        "a record that was cut",
        "$G report r",
        2,
        says="not a record",
        prepare="$G run small.yaml -q -o r >/dev/null 2>&1;"
        " head -c 3000 r/record.npz > x; mv x r/record.npz",
    ),
)
