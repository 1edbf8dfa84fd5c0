"""The table of provoked faults, by kind."""

from __future__ import annotations

from tests.provocations.provocation import Provocation

OUTPUTS = "An output takes the place of what is not its own"
LINKS = "A link leads out of the folder"
MEMORY = "An input takes memory without bound"
PROCESSES = "Processes that are forked, stopped or killed"
EARLY = "What can be refused is refused before it is measured"
RESULT = "The result says what the process says"
SUMMARY = "A summary decides nothing"
NAMES = "Names that no file can have"
RECORDS = "Records that nobody measured"
WORDS = "Messages"

_KEEP = "$G baseline small.yaml -q >/dev/null"
_UNCHANGED = "grep -q 'name: small' small.yaml"
_VALID = 'python3 -c "import json,sys; json.load(open(sys.argv[1]))" '


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
    # Outputs
    Provocation(
        OUTPUTS,
        "a device is the output of a form",
        "$G check small.yaml --at-init --no-baseline --format json=n",
        0,
        prepare="mknod n c 1 3",
        holds="test -c n",
        needs=("root", "mknod"),
    ),
    Provocation(
        OUTPUTS,
        "a link to a device is the output of a form",
        "$G check small.yaml --at-init --no-baseline --format json=n",
        0,
        prepare="ln -s /dev/null n",
        holds="test -L n && test -c /dev/null",
    ),
    Provocation(
        OUTPUTS,
        "/dev/stdout is the output of a form",
        "$G check small.yaml --at-init --no-baseline -q --format json=/dev/stdout"
        " --format text=t.txt --format markdown | cat > o.txt",
        0,
        holds="grep -q '\"schema\"' o.txt && test -e /dev/stdout",
    ),
    Provocation(
        OUTPUTS,
        "a pipe with a reader is the output of a form",
        "mkfifo p; cat p > o.json & $G check small.yaml --at-init --no-baseline --format json=p;"
        " code=$?; wait; exit $code",
        0,
        holds=f"test -p p && {_VALID} o.json",
    ),
    Provocation(
        OUTPUTS,
        "a link to a file is the output of a form: the file is replaced, the link stays",
        "$G check small.yaml --at-init --no-baseline --format json=l",
        0,
        prepare="mkdir d; echo old > d/f; ln -s d/f l",
        holds=f"test -L l && {_VALID} d/f",
    ),
    Provocation(
        OUTPUTS,
        "the config is the output of a form",
        "$G check small.yaml --at-init --no-baseline --format json=small.yaml",
        2,
        says="small.yaml would replace small.yaml, which this command reads",
        holds=_UNCHANGED,
    ),
    Provocation(
        OUTPUTS,
        "a link to the config is the output of a form",
        "$G check small.yaml --at-init --no-baseline --format json=l",
        2,
        says="l would replace small.yaml",
        prepare="ln -s small.yaml l",
        holds=_UNCHANGED,
    ),
    Provocation(
        OUTPUTS,
        "the baseline is the output of a form",
        "$G check small.yaml --format json=small.baseline.json",
        2,
        says="would replace small.baseline.json",
        prepare=_KEEP,
        holds="grep -q gradscope.baseline small.baseline.json",
    ),
    Provocation(
        OUTPUTS,
        "the data file is the output of a form",
        "$G check net.yaml --at-init --no-baseline --format json=d.csv",
        2,
        says="d.csv would replace",
        prepare="printf 'a,b,y\\n1,2,0\\n2,1,1\\n3,1,0\\n1,4,1\\n' > d.csv;"
        " sed 's/data:.*/data: {name: csv, path: d.csv, label: y}/' small.yaml > net.yaml",
        holds="grep -q 'a,b,y' d.csv",
    ),
    Provocation(
        OUTPUTS,
        "the config is the output of a baseline",
        "$G baseline small.yaml -o small.yaml --update",
        2,
        says="small.yaml would replace small.yaml",
        holds=_UNCHANGED,
    ),
    Provocation(
        OUTPUTS,
        "a baseline would replace a file that is none",
        "$G baseline small.yaml -o notes.txt --update",
        2,
        says="notes.txt is not a baseline",
        prepare="echo precious > notes.txt",
        holds="grep -q precious notes.txt",
    ),
    Provocation(
        OUTPUTS,
        "a damaged baseline is replaced on request",
        "$G baseline small.yaml --update -q",
        0,
        prepare=f'{_KEEP}; sed -i \'s/"seeds"/"sheep"/\' small.baseline.json',
        holds="$GRADSCOPE check small.yaml -q",
    ),
    Provocation(
        OUTPUTS,
        "two forms have one file",
        "$G check small.yaml --at-init --no-baseline --format junit=x --format json=./x",
        2,
        says="x is the output of two options",
        holds="test ! -e x",
    ),
    Provocation(
        OUTPUTS,
        "the config is the output of a plot",
        "$G theory small.png --plot small.png",
        2,
        says="small.png would replace small.png",
        prepare="cp small.yaml small.png",
        holds="grep -q 'name: small' small.png",
    ),
    Provocation(
        OUTPUTS,
        "a folder is the output of a plot",
        "$G theory small.yaml --plot .",
        2,
        says="--plot",
    ),
    Provocation(
        OUTPUTS,
        "a folder is the output of an export",
        "$G run small.yaml -q -o r >/dev/null 2>&1; $G export r -o r",
        2,
        says="it is a folder",
    ),
    # Links
    Provocation(
        LINKS,
        "run.log is a link to a file outside",
        "$G run small.yaml -o o",
        0,
        prepare="mkdir o; echo precious > v; ln -s ../v o/run.log; touch o/keep;"
        ' echo \'{"schema": "gradscope.result/1"}\' > o/result.json',
        holds="grep -q precious v && test ! -L o/run.log",
    ),
    Provocation(
        LINKS,
        "the live log is a link to a file outside",
        "$G run small.yaml -o o",
        0,
        prepare="mkdir o; echo precious > v; ln -s ../v o/running.log",
        holds="grep -q precious v",
    ),
    Provocation(
        LINKS,
        "the lock is a link to a file outside",
        "$G run small.yaml -o o",
        2,
        says="cannot write to o",
        prepare="mkdir o; ln -s ../v o/.lock",
        holds="test ! -e v",
    ),
    Provocation(
        LINKS,
        "result.json and report.html are links to files outside",
        "$G run small.yaml -o o --replace",
        0,
        prepare="mkdir o; echo precious > v; ln -s ../v o/result.json; ln -s ../v o/report.html",
        holds="grep -q precious v && test ! -L o/result.json",
    ),
    # Memory
    Provocation(
        MEMORY,
        "a report of a device",
        "timeout 20 $G report /dev/zero",
        2,
        says="no report|not a regular file",
    ),
    Provocation(
        MEMORY,
        "a report of a pipe that nobody writes",
        "mkfifo p; timeout 20 $G report p",
        2,
        says="no report|not a regular file",
    ),
    Provocation(
        MEMORY,
        "a record whose record.npz is a pipe",
        "mkdir o; mkfifo o/record.npz; timeout 20 $G report o",
        2,
        says="not a regular file|no report",
    ),
    Provocation(
        MEMORY,
        "a record of a megabyte that inflates to one gigabyte",
        "(ulimit -v 3000000; timeout 20 $G report r)",
        2,
        says="not a record of this version",
        prepare="mkdir r; python3 -c \"import numpy as np; np.savez_compressed('r/record.npz',"
        ' meta=np.zeros(10**9, np.uint8), steps=np.zeros(1))"',
    ),
    Provocation(
        MEMORY,
        "a record whose series is longer than its steps",
        "timeout 20 $G report r",
        2,
        says="and there are 7 steps",
        prepare=_record("d['series/delta_variance'] = np.zeros((10**7, 3))"),
    ),
    Provocation(
        MEMORY,
        "more steps than memory can record",
        "timeout 20 $G validate small.yaml -s training.steps=1000000000 -s model.depth=400",
        2,
        says="record_every",
    ),
    # Processes
    Provocation(
        PROCESSES,
        "temporary files of a process that was killed",
        "$G run small.yaml -o o",
        0,
        prepare="mkdir o; echo x > o/.record.npz.999999999.tmp; echo x > o/.mine.tmp",
        holds="test ! -e o/.record.npz.999999999.tmp && test -e o/.mine.tmp",
    ),
    Provocation(
        PROCESSES,
        "the folder of a worker whose parent was killed",
        "$G run small.yaml -o o",
        0,
        prepare="mkdir gradscope-999999999-abc gradscope-mine; echo x > gradscope-999999999-abc/f",
        holds="test ! -e gradscope-999999999-abc && test -e gradscope-mine",
    ),
    Provocation(
        PROCESSES,
        "a training that never ends",
        "timeout 30 $G run small.yaml -o o --timeout 3",
        3,
        says="stopped after step 3: it took longer than 3 s",
        holds='grep -q \'"status": "partial"\' o/result.json && test -s o/record.npz',
        stand_in="silent",
    ),
    Provocation(
        PROCESSES,
        "Ctrl-C while the second of two configs never ends",
        "timeout --preserve-status -s INT 6"
        " $G check small.yaml slow.yaml --no-baseline -j 2 --format json=j.json",
        130,
        says="stopped by SIGINT",
        prepare="sed 's/name: small/name: slow/; s/steps: 6/steps: 1000000/' small.yaml"
        " > slow.yaml",
        holds="grep -q inconclusive j.json && grep -q 'stopped by SIGINT' j.json",
    ),
    Provocation(
        PROCESSES,
        "the worker aborts",
        "$G run small.yaml -o o",
        3,
        says="killed by SIGABRT",
        holds='grep -q \'"status": "partial"\' o/result.json',
        stand_in="abort",
    ),
    # Early
    Provocation(
        EARLY,
        "a baseline on a read-only file system",
        "$G baseline small.yaml -o m/b.json",
        2,
        says="cannot write m/b.json: [Rr]ead-only",
        prepare="mkdir m; mount -t tmpfs -o ro none m",
        holds="umount m",
        stand_in="unable",
        needs=("root", "mount"),
    ),
    Provocation(
        EARLY,
        "a baseline in a folder that does not exist",
        "$G baseline small.yaml -o no/b.json",
        2,
        says="there is no folder",
        stand_in="unable",
    ),
    Provocation(
        EARLY,
        "a form in a folder that does not exist",
        "$G check small.yaml --no-baseline --format json=no/x.json",
        2,
        says="there is no folder",
        stand_in="unable",
    ),
    *(
        Provocation(
            EARLY,
            f"{name} of the report's folder is a folder",
            "$G run small.yaml -o o",
            2,
            says=f"o/{name} is not a regular file",
            prepare=f"mkdir -p o/{name}",
            stand_in="unable",
        )
        for name in ("result.json", "record.npz", "report.html", "run.log", "running.log")
    ),
    Provocation(
        EARLY,
        "result.json of the report's folder is a pipe",
        "timeout 20 $G run small.yaml -o o",
        2,
        says="o/result.json is not a regular file",
        prepare="mkdir o; mkfifo o/result.json",
        stand_in="unable",
    ),
    Provocation(
        EARLY,
        "run.log of the report's folder is a pipe",
        "timeout 20 $G run small.yaml -o o",
        2,
        says="o/run.log is not a regular file",
        prepare="mkdir o; mkfifo o/run.log",
        stand_in="unable",
    ),
    # Result
    Provocation(
        RESULT,
        "a disk that takes the record but not the pages",
        "$G run small.yaml -o m/o",
        3,
        says="cannot write|No space",
        prepare="mkdir m; mount -t tmpfs -o size=72k none m",
        holds="grep -q '\"exit_code\": 3' m/o/result.json; code=$?; umount m; exit $code",
        needs=("root", "mount"),
    ),
    Provocation(
        RESULT,
        "stdout takes nothing",
        "$G run small.yaml -o o > /dev/full",
        3,
        says="stdout",
        holds="grep -q '\"exit_code\": 3' o/result.json",
    ),
    Provocation(
        RESULT,
        "a record that cannot be written leaves the earlier report whole",
        "(ulimit -f 1; $G run small.yaml -o o)",
        3,
        says="cannot write",
        prepare="$G run small.yaml -o o >/dev/null 2>&1; cp o/report.html h",
        holds="cmp h o/report.html",
    ),
    # Summary
    Provocation(
        SUMMARY,
        "the job's summary cannot be written",
        "GITHUB_ACTIONS=true GITHUB_STEP_SUMMARY=/no/such/file"
        " $G check small.yaml --at-init --no-baseline --format junit=j.xml",
        0,
        says="no summary was written to /no/such/file",
        holds="grep -q testsuite j.xml",
    ),
    # Names
    Provocation(
        NAMES,
        "a folder of 500 letters",
        "$G run small.yaml -o $(printf 'a%.0s' $(seq 500))",
        2,
        says="name too long",
        stand_in="unable",
    ),
    Provocation(
        NAMES,
        "1,500 folders, one in the other",
        "$G run small.yaml -o $(printf 'a/%.0s' $(seq 1500))",
        2,
        says="cannot write to",
        stand_in="unable",
    ),
    Provocation(
        NAMES,
        "a folder without a name",
        "$G run small.yaml -o ''",
        2,
        says="the path is empty",
        stand_in="unable",
    ),
    Provocation(
        NAMES,
        "a form's file of 500 letters",
        "$G check small.yaml --no-baseline --format json=$(printf 'a%.0s' $(seq 500))",
        2,
        says="name too long",
        stand_in="unable",
    ),
    # Records
    *(
        Provocation(RECORDS, fault, "$G report r", 2, says=says, prepare=_record(change))
        for fault, change, says in (
            ("a record without a config", "meta['config'] = {}", "no section"),
            ("a record with a batch size of -1", "meta['batch_size'] = -1", "batch_size"),
            (
                "a record whose steps are text",
                "d['steps'] = d['steps'].astype('U3')",
                "not growing whole numbers",
            ),
            ("a record of another version", "meta['schema'] = 'gradscope.record/99'", "99"),
            ("a record that lacks its layers", "del meta['layers']", "not a record"),
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
    # Words
    Provocation(
        WORDS,
        "an exception of several lines, one of which is a command of GitHub",
        "GITHUB_ACTIONS=true $G run small.yaml -o o",
        3,
        says="(?s)^(?!.*^ *::stop-commands).*",
        stand_in="raise",
    ),
)
