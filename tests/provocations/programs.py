"""Code of the user, the interpreter and its environment, and what is left when a run ends."""

from __future__ import annotations

from tests.provocations.provocation import Provocation

CODE = "Code of the user misbehaves"
PYTHON = "The interpreter and its environment"
ENDS = "A run ends, and the steps are kept"
DATA = "Records and data from which nothing can be learnt"

_NET = """cat > net.py <<'END'
import keras, tensorflow as tf
def build(units=8):
    layers = [keras.layers.Dense(units), keras.layers.Dense(3, 'softmax')]
    return keras.Sequential([keras.Input((8,)), *layers])
def huge():
    return build(10**9)
def without_eager():
    tf.compat.v1.disable_eager_execution()
    return build()
END
sed "s/model:.*/model: {factory: 'net:FUNCTION'}/" small.yaml > net.yaml"""

PROVOCATIONS: tuple[Provocation, ...] = (
    # Code of the user
    Provocation(
        CODE,
        "the worker forks, and both processes train",
        "$G run small.yaml -o o",
        0,
        holds="grep -q '\"steps_done\": 6' o/result.json",
        stand_in="fork",
        codes="F10",
    ),
    Provocation(
        CODE,
        "the worker starts a process with a session of its own",
        "$G run small.yaml -o o",
        0,
        holds="test -s pid && ! grep -q sleep /proc/$(cat pid)/cmdline",
        stand_in="session",
        codes="F09",
    ),
    Provocation(
        CODE,
        "a factory switches eager execution off",
        "$G run net.yaml -o o",
        2,
        says="model.factory: net:without_eager, or a module .* switched eager execution off",
        prepare=_NET.replace("FUNCTION", "without_eager"),
        stand_in=None,
        codes="F18",
    ),
    Provocation(
        CODE,
        "a factory asks for more memory than there is",
        "$G run net.yaml -o o",
        2,
        says="net:huge raised ResourceExhaustedError",
        prepare=_NET.replace("FUNCTION", "huge"),
        stand_in=None,
        codes="F44",
    ),
    Provocation(
        CODE,
        "the worker ends after TensorFlow's words at its start",
        "$G run small.yaml -o o",
        3,
        says="(?s)^(?!.*cuInit).*the last words",
        stand_in="starts",
        codes="F06 F07 F38",
    ),
    # The interpreter
    Provocation(
        PYTHON,
        "python -OO: the pages of the commands",
        "set -- $G; $1 -OO -m gradscope run --help > t",
        0,
        holds="grep -q 'Train and measure' t",
        codes="V27",
    ),
    Provocation(
        PYTHON,
        "python -OO: the page of a check",
        "set -- $G; $1 -OO -m gradscope explain GS101 > t",
        0,
        holds="grep -q 'Tell whether the gradient fades' t",
        codes="V27",
    ),
    Provocation(
        PYTHON,
        "a setting with an umlaut, in a C locale without UTF-8",
        "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 $G validate small.yaml -s name=größe",
        2,
        says=r"expected a name of 1 to 80 letters.*received 'gr\\xf6\\xdfe'",
        codes="E05",
    ),
    Provocation(
        PYTHON,
        "Ctrl-C while gradscope imports its first module",
        "PYTHONPATH=early:$PYTHONPATH $G run small.yaml -o o",
        130,
        prepare="mkdir early; printf 'import os, signal, time\\n"
        "os.kill(os.getpid(), signal.SIGINT)\\ntime.sleep(30)\\n' > early/typing.py",
        holds="test ! -e o",
        stand_in=None,
        codes="S20",
    ),
    Provocation(
        PYTHON,
        "too little memory to load TensorFlow",
        "(ulimit -v 1000000; $G run small.yaml -o o)",
        3,
        says="the memory was not enough",
        stand_in=None,
        codes="M01",
    ),
    Provocation(
        PYTHON,
        "a check with too little memory to load TensorFlow",
        "(ulimit -v 1000000; $G check small.yaml --no-baseline)",
        3,
        says="the memory was not enough",
        stand_in=None,
        codes="M02",
    ),
    # Ends
    Provocation(
        ENDS,
        "Ctrl-C after the last step, before the end",
        "$G run small.yaml -o o",
        130,
        says="stopped by SIGINT after step 6\n.*marked partial",
        holds='grep -q \'"status": "partial"\' o/result.json',
        stand_in="interrupted",
        codes="W10",
    ),
    Provocation(
        ENDS,
        "Ctrl-C while doctor measures, which keeps nothing",
        "$G doctor",
        130,
        says="(?s)^(?!.* is kept).*nothing was kept",
        stand_in="interrupted",
        codes="Q03",
    ),
    Provocation(
        ENDS,
        "Ctrl-C in the second of two configs, one after the other",
        "env --default-signal=INT $G check small.yaml slow.yaml --no-baseline --jobs 1"
        " --format junit=j.xml 2>e & until grep -q ^passed e; do sleep 0.1; done;"
        " kill -INT $!; wait $!; code=$?; cat e >&2; exit $code",
        130,
        says="stopped by SIGINT",
        prepare="sed 's/name: small/name: slow/; s/steps: 6/steps: 1000000/' small.yaml"
        " > slow.yaml",
        holds="grep -q 'errors=\"1\"' j.xml && grep -q 'value=\"passed\"' j.xml",
        codes="L06",
    ),
    Provocation(
        ENDS,
        "the report's folder becomes a file during the run",
        "$G run small.yaml -o o",
        3,
        says="o stopped being a folder during the run\n +kept: ",
        holds="test -f o && test -s gradscope-kept-*/record.npz",
        stand_in="folder",
        codes="D20",
    ),
    *(
        Provocation(
            ENDS,
            f"another config beside a report whose result.json is {state}",
            "$G run small.yaml -s model.depth=3",
            0,
            prepare=f"$G run small.yaml -q >/dev/null 2>&1; {change} reports/small/result.json;"
            " cp reports/small/record.npz earlier",
            holds="cmp earlier reports/small-2/record.npz"
            " && ! cmp -s earlier reports/small/record.npz",
            codes=codes,
        )
        for state, change, codes in (
            ("missing", "rm", "R22"),
            ("damaged", "echo { >", "R21"),
        )
    ),
    *(
        Provocation(
            ENDS,
            f"another config with --output, and a report whose result.json is {state}",
            "$G run small.yaml -s model.depth=3 -o o",
            2,
            says="o holds the report of another config",
            prepare=f"$G run small.yaml -q -o o >/dev/null 2>&1; {change} o/result.json;"
            " cp -r o earlier",
            holds="diff -r earlier o",
            stand_in="healthy",
            codes=codes,
        )
        for state, change, codes in (
            ("missing", "rm", "R22"),
            ("damaged", "echo { >", "R21"),
            ("whole", "test -e", "R22"),
        )
    ),
    Provocation(
        ENDS,
        "the same config with --output, and a report whose result.json is damaged",
        "$G run small.yaml -o o",
        0,
        prepare="$G run small.yaml -q -o o >/dev/null 2>&1; echo { > o/result.json",
        holds='grep -q \'"status": "complete"\' o/result.json',
        codes="R21",
    ),
    Provocation(
        ENDS,
        "the check of another config with --output, and the report of a run",
        "$G check small.yaml --no-baseline -s model.depth=3 -o o",
        2,
        says="o holds the report of another config",
        prepare="$G run small.yaml -q -o o >/dev/null 2>&1; cp -r o earlier",
        holds="diff -r earlier o",
        codes="R22",
    ),
    *(
        Provocation(
            ENDS,
            f"Ctrl-C in the last of three configs, {jobs} at a time",
            f"env --default-signal=INT $G check a.yaml b.yaml c.yaml --no-baseline --jobs {jobs}"
            " --format junit=j.xml --format json=j.json 2>e &"
            " until grep -q '^passed: a' e && grep -q '^passed: b' e; do sleep 0.1; done;"
            " kill -INT $!; wait $!; code=$?; cat e >&2; exit $code",
            130,
            says="stopped by SIGINT",
            prepare='for n in a b c; do sed "s/name: small/name: $n/" small.yaml > $n.yaml; done;'
            " sed -i 's/steps: 6/steps: 1000000/' c.yaml",
            holds="test $(grep -c 'value=\"passed\"' j.xml) = 2 && grep -q 'errors=\"1\"' j.xml"
            ' && test $(grep -c \'"outcome": "passed"\' j.json) = 2'
            " && test -s reports/a.check/report.html && test -s reports/b.check/report.html",
            codes=codes,
        )
        for jobs, codes in ((1, "L06"), (3, "L09"))
    ),
    Provocation(
        ENDS,
        "a baseline beside a config on a read-only file system",
        "$G baseline m/small.yaml",
        2,
        says="cannot write m/small.baseline.json: [Rr]ead-only",
        prepare="mkdir m; mount -t tmpfs none m; cp small.yaml m; mount -o remount,ro m",
        holds="umount m",
        stand_in="unable",
        needs=("root", "mount"),
        codes="D33",
    ),
    # Data
    Provocation(
        DATA,
        "a record without one finite gradient",
        "$G report r --format json > t",
        0,
        prepare="$G run small.yaml -q -o r >/dev/null 2>&1; python3 - <<'END'\n"
        "import numpy as np\n"
        "d = dict(np.load('r/record.npz'))\n"
        "for name in d:\n"
        "    if name.startswith('series/') and ('delta' in name or 'gradient' in name):\n"
        "        d[name] = np.full_like(d[name], np.nan)\n"
        "np.savez_compressed('r/record.npz', **d)\nEND",
        holds='! grep -q \'"state": "healthy"\' t',
        codes="R07",
    ),
    Provocation(
        DATA,
        "columns that are constant",
        "$G run net.yaml -o o",
        2,
        says="constant|the same",
        prepare="printf 'a,b,y\\n1,2,0\\n1,2,1\\n1,2,0\\n1,2,1\\n1,2,0\\n' > d.csv;"
        " sed 's/data:.*/data: {name: csv, path: d.csv, label: y}/' small.yaml > net.yaml",
        stand_in="unable",
        codes="A18",
    ),
    *(
        Provocation(
            DATA,
            f"columns that are constant, with {scaling}, in {form}",
            "$G run net.yaml -o o",
            2,
            says="the same [23] features: there is nothing to learn from",
            prepare=f"{make}; sed 's/data:.*/data: {{name: {form}, {keys},"
            f" scaling: {scaling}}}/' small.yaml > net.yaml",
            stand_in="unable",
            codes=codes,
        )
        for form, keys, scaling, codes, make in (
            (
                "csv",
                "path: d.csv, label: y",
                "standardize",
                "B12",
                "printf 'a,b,y\\n1,2,0\\n1,2,1\\n1,2,0\\n1,2,1\\n1,2,0\\n' > d.csv",
            ),
            (
                "npz",
                "path: d.npz",
                "standardize",
                "B13",
                "python3 -c \"import numpy as np; np.savez('d.npz',"
                ' x=np.full((50, 3), 7.0, np.float32), y=np.arange(50) % 2)"',
            ),
        )
    ),
    Provocation(
        DATA,
        "40 kB that are 20 million labels",
        "(ulimit -t 8; $G run net.yaml -o o)",
        2,
        says="d.npz: x has 20000000 samples; the limit is 16777216",
        prepare="python3 -c \"import numpy as np; np.savez_compressed('d.npz',"
        ' x=np.zeros((2*10**7, 1), np.uint8), y=np.zeros(2*10**7, np.uint8))";'
        " sed 's/data:.*/data: {name: npz, path: d.npz, task: classification}/' small.yaml"
        " > net.yaml",
        stand_in="unable",
        codes="B20",
    ),
)
