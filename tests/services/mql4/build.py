"""Makes a program of an expert advisor: its text, unchanged, with the few things in which MQL4 is not C++ said in C++."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
SOURCE = HERE.parents[2] / "contrib" / "mt4" / "OrdergateBridge.mq4"
COMPILER = shutil.which("g++")
_FUNCTION = re.compile(r"^((?:const )?\w+)\s+(\w+)\(([^;{}]*?)\)\s*(?=\{|$)", re.MULTILINE)


def translated(text: str) -> str:
    """C++ of MQL4: `#property`, `input`, arrays without a size, and functions that are used before they are there."""
    text = re.sub(r"^#property.*$", "", text, flags=re.MULTILINE)
    inputs = re.findall(r"^input\s+\w+\s+(\w+)", text, flags=re.MULTILINE)
    text = re.sub(r"^input\s+", "", text, flags=re.MULTILINE)
    text = re.sub(r"\b(const\s+)?(\w+)\s*&(\w+)\[\]", r"\1Array<\2> &\3", text)
    text = re.sub(r"^(\s*)(\w+)(\s+)(\w+)\[\];", r"\1Array<\2>\3\4;", text, flags=re.MULTILINE)
    functions = [(found.start(), found[0].strip()) for found in _FUNCTION.finditer(text)]
    first = min(at for at, _ in functions)
    prototypes = "".join(f"{head};\n" for _, head in functions)
    setting = "".join(f'   shim_input("{name}", {name});\n' for name in inputs)
    ending = f"\nvoid shim_inputs()\n  {{\n{setting}  }}\n"
    return f'#include "mql4.h"\n{text[:first]}{prototypes}#line {text.count(chr(10), 0, first) + 1}\n{text[first:]}{ending}'


def build(folder: Path) -> Path:
    """The program; what was built of the same text is used again.

    Raises:
        RuntimeError: it does not compile; the text is the compiler's.
    """
    if COMPILER is None:
        raise RuntimeError("there is no g++ here: install it, as `apt-get install g++` does")
    parts = [translated(SOURCE.read_text()), (HERE / "mql4.h").read_text(), (HERE / "mql4.cpp").read_text()]
    program = folder / f"expert-{hashlib.sha256(''.join(parts).encode()).hexdigest()[:16]}"
    if program.exists():
        return program
    folder.mkdir(parents=True, exist_ok=True)
    warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-sign-compare", "-Wno-unused-parameter"]
    with TemporaryDirectory(dir=folder) as place:  # others may build it at the same time
        source, part = Path(place) / "expert.cpp", Path(place) / "expert"
        source.write_text(parts[0])
        command = [COMPILER, "-std=c++17", "-O0", *warnings, f"-I{HERE}"]
        command += [str(source), str(HERE / "mql4.cpp"), "-o", str(part)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        part.replace(program)
    return program
