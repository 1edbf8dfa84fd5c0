"""Outputs and links: what may be replaced, and what is followed."""

from __future__ import annotations

from tests.provocations.provocation import Provocation

OUTPUTS = "An output takes the place of what is not its own"
LINKS = "A link leads out of the folder"

_KEEP = "$G baseline small.yaml -q >/dev/null"
_UNCHANGED = "grep -q 'name: small' small.yaml"
_VALID = 'python3 -c "import json,sys; json.load(open(sys.argv[1]))" '

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
        codes="O09",
    ),
    Provocation(
        OUTPUTS,
        "a link to a device is the output of a form",
        "$G check small.yaml --at-init --no-baseline --format json=n",
        0,
        prepare="ln -s /dev/null n",
        holds="test -L n && test -c /dev/null",
        codes="O09",
    ),
    Provocation(
        OUTPUTS,
        "/dev/stdout is the output of a form",
        "$G check small.yaml --at-init --no-baseline -q --format json=/dev/stdout"
        " --format text=t.txt --format markdown | cat > o.txt",
        0,
        holds="grep -q '\"schema\"' o.txt && test -e /dev/stdout",
        codes="O15",
    ),
    Provocation(
        OUTPUTS,
        "a pipe with a reader is the output of a form",
        "mkfifo p; cat p > o.json & $G check small.yaml --at-init --no-baseline --format json=p;"
        " code=$?; wait; exit $code",
        0,
        holds=f"test -p p && {_VALID} o.json",
        codes="O16",
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
        codes="O20",
    ),
    Provocation(
        OUTPUTS,
        "a link to the config is the output of a form",
        "$G check small.yaml --at-init --no-baseline --format json=l",
        2,
        says="l would replace small.yaml",
        prepare="ln -s small.yaml l",
        holds=_UNCHANGED,
        codes="O20",
    ),
    Provocation(
        OUTPUTS,
        "the baseline is the output of a form",
        "$G check small.yaml --format json=small.baseline.json",
        2,
        says="would replace small.baseline.json",
        prepare=_KEEP,
        holds="grep -q gradscope.baseline small.baseline.json",
        codes="O20",
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
        codes="O20",
    ),
    Provocation(
        OUTPUTS,
        "the config is the output of a baseline",
        "$G baseline small.yaml -o small.yaml --update",
        2,
        says="small.yaml would replace small.yaml",
        holds=_UNCHANGED,
        codes="O19",
    ),
    Provocation(
        OUTPUTS,
        "a baseline would replace a file that is none",
        "$G baseline small.yaml -o notes.txt --update",
        2,
        says="notes.txt is not a baseline",
        prepare="echo precious > notes.txt",
        holds="grep -q precious notes.txt",
        codes="O19",
    ),
    Provocation(
        OUTPUTS,
        "a damaged baseline is replaced on request",
        "$G baseline small.yaml --update -q",
        0,
        prepare=f'{_KEEP}; sed -i \'s/"seeds"/"sheep"/\' small.baseline.json',
        holds="$G check small.yaml -q",
        codes="O19",
    ),
    Provocation(
        OUTPUTS,
        "two forms have one file",
        "$G check small.yaml --at-init --no-baseline --format junit=x --format json=./x",
        2,
        says="x is the output of two options",
        holds="test ! -e x",
        codes="O18",
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
        codes="O13",
    ),
    Provocation(
        OUTPUTS,
        "a folder is the output of an export",
        "$G run small.yaml -q -o r >/dev/null 2>&1; $G export r -o r",
        2,
        says="it is a folder",
    ),
    Provocation(
        OUTPUTS,
        "a program that reads is the output of a form",
        "bash -c '$G check small.yaml --at-init --no-baseline -q --format json=>(cat > o.json)'",
        0,
        holds=f"until test -s o.json; do sleep 0.1; done; sleep 0.2; {_VALID} o.json",
        needs=("bash",),
        codes="O16",
    ),
    Provocation(
        OUTPUTS,
        "a socket is the output of a form",
        "$G check small.yaml --no-baseline --format json=s",
        2,
        says="cannot write s: it is a socket",
        prepare="python3 -W ignore -c \"import socket; socket.socket(socket.AF_UNIX).bind('s')\"",
        holds="test -S s",
        stand_in="unable",
        codes="O09",
    ),
    *(
        Provocation(
            OUTPUTS,
            f"{what} is the output of {command}",
            line,
            2,
            says=f"{file} would replace .*{file}, which this command reads",
            prepare=f"printf 'def build():\\n    precious\\n' > {file};"
            f" sed 's/model:.*/model: {{{key}}}/' small.yaml > net.yaml",
            holds=f"grep -q precious {file}",
            stand_in="unable",
            codes="O20",
        )
        for what, file, key in (
            ("the model file", "m.keras", "keras_file: m.keras"),
            ("the file of the factory", "net.py", 'factory: "net:build"'),
        )
        for command, line in (
            ("a form", f"$G check net.yaml --no-baseline --format json={file}"),
            ("a baseline", f"$G baseline net.yaml --update -o {file}"),
        )
    ),
    # Links
    Provocation(
        LINKS,
        "run.log is a link to a file outside",
        "$G run small.yaml -o o --replace",
        0,
        prepare="mkdir o; echo precious > v; ln -s ../v o/run.log; touch o/keep;"
        ' echo \'{"schema": "gradscope.result/1"}\' > o/result.json',
        holds="grep -q precious v && test ! -L o/run.log",
        codes="D18",
    ),
    Provocation(
        LINKS,
        "the live log is a link to a file outside",
        "$G run small.yaml -o o",
        0,
        prepare="mkdir o; echo precious > v; ln -s ../v o/running.log",
        holds="grep -q precious v",
        codes="D18",
    ),
    Provocation(
        LINKS,
        "the lock is a link to a file outside",
        "$G run small.yaml -o o",
        2,
        says="cannot write to o",
        prepare="mkdir o; ln -s ../v o/.lock",
        holds="test ! -e v",
        codes="D18",
    ),
    Provocation(
        LINKS,
        "result.json and report.html are links to files outside",
        "$G run small.yaml -o o --replace",
        0,
        prepare="mkdir o; echo precious > v; ln -s ../v o/result.json; ln -s ../v o/report.html",
        holds="grep -q precious v && test ! -L o/result.json",
    ),
)
