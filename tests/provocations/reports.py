"""What is refused early, what a result says, names of files, and messages."""

from __future__ import annotations

from tests.provocations.provocation import Provocation

EARLY = "What can be refused is refused before it is measured"
RESULT = "The result says what the process says"
SUMMARY = "A summary decides nothing"
NAMES = "Names that no file can have"
WORDS = "Messages"

PROVOCATIONS: tuple[Provocation, ...] = (
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
        codes="D12 D30",
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
            codes=codes,
        )
        for name, codes in (
            ("result.json", "D22"),
            ("record.npz", "D22"),
            ("report.html", "D23"),
            ("run.log", "D24"),
            ("running.log", "D24"),
        )
    ),
    *(
        Provocation(
            EARLY,
            f"{what} on a read-only file system",
            f"$G {line}",
            2,
            says="cannot write (to )?m/x[^:]*: [Rr]ead-only",
            prepare="mkdir m; mount -t tmpfs -o ro none m; touch train.py",
            holds="umount m",
            stand_in="unable",
            needs=("root", "mount"),
            codes="D30",
        )
        for what, line in (
            ("a report", "run small.yaml -o m/x"),
            ("the report of a check", "check small.yaml --no-baseline -o m/x"),
            ("a form", "check small.yaml --no-baseline --format json=m/x"),
            ("a sweep", "sweep small.yaml --vary model.depth=2,3 -o m/x"),
            ("a plot", "theory small.yaml --plot m/x.png"),
            ("a new config", "init m/x.yaml"),
            ("the gallery", "gallery -o m/x"),
            ("the report of a script", "fit -o m/x train.py"),
        )
    ),
    Provocation(
        EARLY,
        "result.json of the report's folder is a pipe",
        "timeout 20 $G run small.yaml -o o",
        2,
        says="o/result.json is not a regular file",
        prepare="mkdir o; mkfifo o/result.json",
        stand_in="unable",
        codes="D25",
    ),
    Provocation(
        EARLY,
        "run.log of the report's folder is a pipe",
        "timeout 20 $G run small.yaml -o o",
        2,
        says="o/run.log is not a regular file",
        prepare="mkdir o; mkfifo o/run.log",
        stand_in="unable",
        codes="D26",
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
        codes="D32",
    ),
    Provocation(
        RESULT,
        "a full disk: the record is kept in the temporary folder",
        "$G run small.yaml -o m/o",
        3,
        says="No space left on device\n.*\n +kept: ",
        prepare="mkdir m; mount -t tmpfs -o size=8k none m",
        holds="umount m; cd gradscope-kept-*; $G report record.npz -q | grep small",
        needs=("root", "mount"),
        codes="D04",
    ),
    Provocation(
        RESULT,
        "a full disk after Ctrl-C: the steps until then are kept in the temporary folder",
        "$G run small.yaml -o m/o",
        3,
        says="No space left on device\n.*\n +kept: ",
        prepare="mkdir m; mount -t tmpfs -o size=8k none m",
        holds="umount m; cd gradscope-kept-*; $G report record.npz | grep 'not complete'",
        stand_in="interrupted",
        needs=("root", "mount"),
    ),
    Provocation(
        RESULT,
        "a full disk: the baseline is kept in the temporary folder",
        "$G baseline small.yaml -o m/b.json",
        3,
        says="No space left on device\n.*\n +kept: ",
        prepare="mkdir m; mount -t tmpfs -o size=8k none m",
        holds="umount m; grep -q gradscope.baseline gradscope-kept-*/b.json",
        needs=("root", "mount"),
    ),
    Provocation(
        RESULT,
        "stdout takes nothing",
        "$G run small.yaml -o o > /dev/full",
        3,
        says="stdout",
        holds="grep -q '\"exit_code\": 3' o/result.json",
        codes="O06",
    ),
    Provocation(
        RESULT,
        "a record that cannot be written leaves the earlier report whole",
        "(ulimit -f 1; $G run small.yaml -o o)",
        3,
        says="cannot write",
        prepare="$G run small.yaml -o o >/dev/null 2>&1; cp o/report.html h",
        holds="cmp h o/report.html",
        codes="D31",
    ),
    Provocation(
        RESULT,
        "an earlier report in the default folder, and a record that cannot be written",
        "(ulimit -f 1; $G run small.yaml -s seed=2)",
        3,
        says="cannot write reports/small/record.npz",
        prepare="$G run small.yaml -q >/dev/null 2>&1; cp -r reports before",
        holds="diff -r before reports",
        codes="D31",
    ),
    Provocation(
        RESULT,
        "TensorFlow, real pictures and a disk of 200 kB",
        "$G run small.yaml -o m/o",
        3,
        says="No space left on device",
        prepare="mkdir m; mount -t tmpfs -o size=200k none m",
        holds="grep -q '\"exit_code\": 3' m/o/result.json && $G report m/o -q | grep small"
        ' && test -z "$(ls m/o | grep -e png -e svg -e html)"; code=$?; umount m; exit $code',
        stand_in=None,
        needs=("root", "mount"),
        codes="D32",
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
        codes="O17",
    ),
    # Names
    Provocation(
        NAMES,
        "a folder of 500 letters",
        "$G run small.yaml -o $(printf 'a%.0s' $(seq 500))",
        2,
        says="name too long",
        stand_in="unable",
        codes="N05",
    ),
    Provocation(
        NAMES,
        "1,500 folders, one in the other",
        "$G run small.yaml -o $(printf 'a/%.0s' $(seq 1500))",
        2,
        says="cannot write to",
        stand_in="unable",
        codes="N05",
    ),
    Provocation(
        NAMES,
        "a folder without a name",
        "$G run small.yaml -o ''",
        2,
        says="the path is empty",
        stand_in="unable",
        codes="N07",
    ),
    Provocation(
        NAMES,
        "a form's file of 500 letters",
        "$G check small.yaml --no-baseline --format json=$(printf 'a%.0s' $(seq 500))",
        2,
        says="name too long",
        stand_in="unable",
    ),
    # Words
    Provocation(
        WORDS,
        "an exception of several lines, one of which is a command of GitHub",
        "GITHUB_ACTIONS=true $G run small.yaml -o o",
        3,
        says="(?s)^(?!.*^ *::stop-commands).*",
        stand_in="raise",
        codes="N03",
    ),
)
