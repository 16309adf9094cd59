"""What must hold for the project as a whole.

The directions of imports are contracts in pyproject.toml.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PACKAGES = ("core", "tui")
MAX_LINES = 400
MAX_SUMMARY_COLUMNS = 80
"""Of a docstring's first line: it stands alone in an editor's hint and in an index."""
MAX_CLASS_LINES = 500
"""Of a class with all its bases in the package: slicing a class into bases is no way to a small file."""
GERUNDS = {"framing", "parsing", "formatting", "batching", "pairing", "coding", "greeting"}
"""Those that are the usual nouns for what is in the module."""
PRIVATE_WORDS = {
    *("told", "tell", "tells", "said", "say", "says", "heard", "hear", "hears", "news", "desk", "matter", "matters"),
    *("standing", "most", "least", "patience", "stranger", "lookout", "doing", "clue", "clues", "hearsay", "dispute"),
}
"""Words with a meaning of this project's own: docs/style.md has the standard one for each."""
NO_VARIABLES = PRIVATE_WORDS - {"most", "least", "clue", "clues"}
"""Of variables and parameters: what is the most of something, and rows of the table `clues`, may be called so there."""
DATA = {".tcss", ".toml", ".sql", ".mo"}

PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[0-9][0-9a-z.]*)(?: ; (?P<marker>[\w .'!=<>]+))? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def pins(name: str) -> dict[str, str]:
    """Package to version of one lock file."""
    found = map(PIN.fullmatch, (ROOT / "requirements" / name).read_text().splitlines())
    return {pin["name"]: pin["version"] for pin in found if pin}


def imports(sources: dict[str, str]) -> dict[str, set[str]]:
    """Module to the modules among these that it imports.

    Anywhere, those of types and inside functions, too.
    """
    graph: dict[str, set[str]] = {}
    for module, source in sources.items():
        found = graph[module] = set()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module}: write the whole name of what is imported"
                members = {f"{node.module}.{alias.name}": node.module or "" for alias in node.names}
                found.update(member if member in sources else of for member, of in members.items())
        found.intersection_update(sources)
    return graph


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """The strongly connected components, and modules that import themselves.

    Those of more than one module.
    """
    reached = {module: _reachable(graph, module) for module in graph}
    found = {frozenset({module, *(m for m in reached[module] if module in reached[m])}) for module in graph}
    return [set(each) for each in found if len(each) > 1 or each <= reached[min(each)]]


def _reachable(graph: dict[str, set[str]], module: str) -> set[str]:
    found: set[str] = set()
    stack = [module]
    while stack:
        fresh = graph[stack.pop()] - found
        found |= fresh
        stack.extend(fresh)
    return found


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        ({"a": "import b", "b": "import os"}, []),
        ({"a": "from p import b", "p": "", "p.b": "from p import c", "p.c": "import a"}, [{"a", "p.b", "p.c"}]),
        ({"a": "def f():\n    from b import g", "b": "if TYPE_CHECKING:\n    from a import f"}, [{"a", "b"}]),
        ({"a": "import a"}, [{"a"}]),
    ],
)
def test_circles_of_imports_are_found(sources: dict[str, str], found: list[set[str]]) -> None:
    assert circles(imports(sources)) == found


def test_no_modules_import_each_other_in_a_circle() -> None:
    names = {
        path: ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for folder in PACKAGES
        for path in modules(folder)
    }
    graph = imports({name: path.read_text() for path, name in names.items()})
    assert sum(map(len, graph.values())) > len(graph)
    assert circles(graph) == []


def words(name: str) -> list[str]:
    """The words of a name, in lower case.

    Those of `read_status`, `MAX_BYTES` and `TcpListener`.
    """
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def definitions(path: Path) -> list[str]:
    """The names of a module, of its constants, and of all classes and functions in it."""
    tree = ast.parse(path.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = [path.stem, *(node.name for node in ast.walk(tree) if isinstance(node, kinds))]
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        found += [target.id for target in targets if isinstance(target, ast.Name)]
    return found


def test_words_of_a_name() -> None:
    assert words("MAX_BYTES") + words("TcpListener") + words("_read2") == ["max", "bytes", "tcp", "listener", "read"]


@pytest.mark.parametrize("folder", PACKAGES)
def test_modules_are_named_by_nouns(folder: str) -> None:
    names = {str(path.relative_to(ROOT)): words(path.stem) for path in modules(folder)}
    assert names
    gerunds = {path: [word for word in name if word.endswith("ing")] for path, name in names.items()}
    assert {path: found for path, found in gerunds.items() if set(found) - GERUNDS} == {}


@pytest.mark.parametrize("folder", (*PACKAGES, "tests"))
def test_names_hold_no_word_of_a_private_dialect(folder: str) -> None:
    # The name of a test is a sentence.
    names = {
        str(path.relative_to(ROOT)): [name for name in definitions(path) if not name.startswith("test_")]
        for path in modules(folder)
    }
    assert sum(map(len, names.values())) > 100
    found = {path: [name for name in found if PRIVATE_WORDS.intersection(words(name))] for path, found in names.items()}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize("folder", PACKAGES)
def test_variables_hold_no_word_for_what_has_a_noun(folder: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules(folder)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Name | ast.arg)
        and NO_VARIABLES.intersection(words(node.id if isinstance(node, ast.Name) else node.arg))
    }
    assert found == set()


@pytest.mark.parametrize("folder", (*PACKAGES, "tests", "packaging"))
def test_docstrings_begin_with_a_short_line(folder: str) -> None:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    first_lines = [
        (path.relative_to(ROOT), text.split("\n")[0])
        for path in modules(folder)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, kinds) and (text := ast.get_docstring(node))
    ]
    assert len(first_lines) > 10
    assert [line for line in first_lines if len(line[1]) > MAX_SUMMARY_COLUMNS] == []


@pytest.mark.parametrize("folder", PACKAGES)
def test_no_module_is_too_long(folder: str) -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in modules(folder)}
    assert lengths
    assert {path: length for path, length in lengths.items() if length > MAX_LINES} == {}


def class_lengths(sources: dict[str, str]) -> dict[str, int]:
    """Class to the lines of it and of all its bases among these sources.

    Of two of one name, the longer.
    """
    own: dict[str, int] = {}
    bases: dict[str, set[str]] = {}
    for source in sources.values():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef):
                names = (base.value if isinstance(base, ast.Subscript) else base for base in node.bases)
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                own[node.name] = max(lines, own.get(node.name, 0))
                bases.setdefault(node.name, set()).update(base.id for base in names if isinstance(base, ast.Name))
    graph = {name: found & own.keys() for name, found in bases.items()}
    return {name: sum(own[each] for each in _reachable(graph, name) | {name}) for name in own}


def test_lines_of_bases_count_for_each_class() -> None:
    sources = {
        "a": "class A:\n    x = 1\n",
        "b": "class B(A, Other):\n    y = 1\n    z = 1\nclass C(B[int], A): pass\n",
    }
    assert class_lengths(sources) == {"A": 2, "B": 5, "C": 6}


@pytest.mark.parametrize("folder", PACKAGES)
def test_no_class_is_too_long_with_its_bases(folder: str) -> None:
    lengths = class_lengths({str(path): path.read_text() for path in modules(folder)})
    assert lengths
    assert {name: length for name, length in lengths.items() if length > MAX_CLASS_LINES} == {}


def test_no_command_line_module_imports_textual() -> None:
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in modules("tui/cli")]
    assert names
    script = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]:\n"
        "    importlib.import_module(name.removesuffix('.__init__'))\n"
        "    if 'textual' in sys.modules: sys.exit(f'{name} imports textual')\n"
    )
    command = [sys.executable, "-c", script, *(name for name in names if not name.endswith("__main__"))]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("lock", ["run.txt", "dev.txt"])
def test_a_lock_holds_pins_and_hashes_and_nothing_else(lock: str) -> None:
    lines = (ROOT / "requirements" / lock).read_text().splitlines()
    strange = [line for line in lines if not PIN.fullmatch(line) and not HASH.fullmatch(line)]
    assert [line for line in strange if not line.startswith("#") or "/" in line or "--" in line] == []


def test_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    run, dev = pins("run.txt"), pins("dev.txt")
    assert run.items() <= dev.items()
    for lock, wanted in ((run, [*project["dependencies"], *extras["build"]]), (dev, extras["dev"])):
        for requirement in map(Requirement, wanted):
            name = re.sub(r"[-_.]+", "-", requirement.name).lower()
            assert name in lock, f"{requirement}: run `make lock`"
            assert requirement.specifier.contains(lock[name]), f"{requirement}: run `make lock`"


def test_the_licence_is_there_in_full() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License\n" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_every_snapshot_belongs_to_a_test() -> None:
    sources = {path.stem: path.read_text() for path in modules("tests")}
    strays = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "snapshots").rglob("*.*")
        if path.suffix != ".svg" or f"def {path.stem.split('[')[0]}(" not in sources.get(path.parent.name, "")
    ]
    assert strays == []


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_module_and_data_file(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    files = [path for folder in PACKAGES for path in (ROOT / folder).rglob("*") if path.suffix in DATA | {".py"}]
    wanted = {str(path.relative_to(ROOT)) for path in files}
    assert {Path(path).suffix for path in wanted} == DATA | {".py"}
    assert wanted - packed == set()
    assert {path.split("/")[0] for path in packed if ".dist-info/" not in path} == set(PACKAGES)
    assert [path for path in packed if path.endswith(".dist-info/licenses/LICENSE")]


def test_the_wheel_runs_by_itself(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    script = (
        "import sys, core, tui.cli.main; print(core.__file__); sys.argv = ['fieldline', '--help']; tui.cli.main.main()"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-P", "-c", script]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(str(tmp_path))
    assert "demo" in run.stdout


def test_no_statement_has_numbered_placeholders() -> None:
    """Given a sequence for `?1`, Python 3.12 warns, and a later one refuses it.

    python/cpython#117995.
    """
    numbered = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|WHERE|VALUES|BETWEEN)\b.*\?\d", re.DOTALL)
    assert numbered.search("SELECT id FROM facts WHERE id = ?1")
    texts = {
        f"{path.relative_to(ROOT)}:{node.lineno}": node.value
        for top in ("core", "tui")
        for path in (ROOT / top).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert [place for place, text in texts.items() if numbered.search(text)] == []


def test_what_is_at_a_path_is_asked_in_one_way() -> None:
    """`Path.exists` and its like hide errors from Python 3.14 on: see `core.paths`."""
    asked = re.compile(r"\.(exists|is_file|is_dir|is_mount)\(\)")
    sources = [path for folder in ("core", "tui") for path in (ROOT / folder).rglob("*.py")]
    found = {str(path.relative_to(ROOT)) for path in sources if asked.search(path.read_text())}
    assert found == set()
