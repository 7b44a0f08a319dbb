"""The shape of the house, read from its sources: who imports whom, and how large the rooms are."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# The room of each module, and what it may import of ours. Rooms are listed from the ground up (see ARCHITECTURE.md).
MAY_IMPORT = {
    "errors": set(),
    "leftovers": set(),
    "storage": {"errors", "leftovers"},
    "listening": {"errors"},
    "extras": {"errors"},
    "earth_process": {"errors", "extras"},
    "geometry": {"errors"},
    "data": {"errors", "storage", "geometry"},
    "earthengine": {"errors", "storage", "geometry", "data"},
    "recipes": {"errors", "storage", "geometry", "data", "earthengine"},
    "learning": {"errors", "leftovers", "storage", "geometry", "data", "recipes"},
    "models": {"errors", "data", "recipes"},
    "sampling": {"errors", "storage", "geometry", "data"},
    "labels": {"errors", "storage", "geometry", "data"},
    "maps": {"errors", "storage", "geometry", "data"},
    "views": {"errors", "storage", "geometry", "data"},
    "pages": {"errors", "storage", "listening", "geometry", "data", "learning", "maps", "views"},
    "training": {
        "errors",
        "leftovers",
        "storage",
        "geometry",
        "data",
        "recipes",
        "learning",
        "models",
        "views",
        "pages",
    },
    "transforms": {"errors", "storage", "geometry", "data", "earthengine", "learning", "maps", "sampling", "labels"},
    "runs": {
        "errors",
        "leftovers",
        "storage",
        "extras",
        "geometry",
        "data",
        "earthengine",
        "recipes",
        "learning",
        "maps",
        "views",
        "pages",
        "sampling",
        "labels",
        "transforms",
    },
    "local_ee": {"errors", "listening", "geometry"},
}
MAY_IMPORT["pipelines"] = {*MAY_IMPORT["runs"], "listening", "earth_process", "models", "training", "runs"}

# Who may import a heavy library at all, and who only inside functions: files, or folders ending in "/".
ROOMS_OF_LIBRARIES = {
    "ee": ({"rsbot_beam/earthengine/"}, {"rsbot_beam/recipes/"}),
    "tensorflow": ({"rsbot_beam/learning/", "rsbot_beam/models/", "rsbot_beam/training/"}, set()),
    "tensorflow_transform": ({"rsbot_beam/learning/", "rsbot_beam/transforms/", "rsbot_beam/runs/"}, set()),
    "tensorflow_metadata": ({"rsbot_beam/learning/", "rsbot_beam/runs/"}, set()),
    "tfx_bsl": ({"rsbot_beam/learning/", "rsbot_beam/transforms/"}, set()),
    "apache_beam": ({"rsbot_beam/transforms/", "rsbot_beam/runs/"}, {"pipelines/command_line.py"}),
    "pystac": ({"rsbot_beam/maps/"}, set()),
    "rasterio": ({"rsbot_beam/maps/", "rsbot_beam/local_ee/", "rsbot_beam/labels/", "rsbot_beam/pages/"}, set()),
    "pyogrio": ({"rsbot_beam/local_ee/", "rsbot_beam/maps/"}, {"rsbot_beam/geometry/", "rsbot_beam/pages/"}),
    "matplotlib": ({"rsbot_beam/views/"}, set()),
    "PIL": ({"rsbot_beam/views/"}, set()),
    "jinja2": ({"rsbot_beam/pages/"}, set()),
    "markupsafe": ({"rsbot_beam/pages/"}, set()),
    "xstatic": ({"rsbot_beam/pages/"}, set()),
    "rio_tiler": ({"rsbot_beam/maps/"}, set()),
    "starlette": ({"rsbot_beam/local_ee/", "rsbot_beam/pages/"}, set()),
    "uvicorn": ({"rsbot_beam/local_ee/", "rsbot_beam/pages/"}, set()),
    "google.cloud": (set(), {"rsbot_beam/storage.py"}),
}
# Earth Engine's worker side speaks HTTP by itself: only these modules know the client.
KNOW_EE = {
    *("images.py", "session.py", "tables.py", "drawing.py", "upload.py", "costs.py"),
    *("composites.py", "sentinel1.py", "sentinel2.py", "terrain.py", "naip.py"),
    *(
        f"asset_{part}.py"
        for part in ("checks", "contents", "graph", "inputs", "labels", "reasons", "region", "requests")
    ),
}
LONGEST_MODULE, LONGEST_MAIN, LONGEST_FUNCTION = 400, 130, 50


@dataclass(frozen=True)
class Import:
    """One import statement: of what, by whom, and whether it runs when the module is loaded."""

    file: str
    line: int
    name: str
    lazy: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.name}"

    @property
    def library(self) -> str:
        parts = self.name.split(".")
        return ".".join(parts[:2]) if parts[:2] == ["google", "cloud"] else parts[0]


def sources() -> list[Path]:
    found = [*ROOT.glob("rsbot_beam/**/*.py"), *ROOT.glob("pipelines/**/*.py")]
    assert len(found) > 50
    return sorted(found)


def imports_of(path: Path) -> list[Import]:
    """Imports of a module but for those that only type checkers see."""
    file = path.relative_to(ROOT).as_posix()
    found: list[Import] = []

    def visit(node: ast.AST, lazy: bool) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                visit(other, lazy)
            return
        if isinstance(node, ast.Import):
            found.extend(Import(file, node.lineno, alias.name, lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import"
            module = node.module or ""
            # `from rsbot_beam import storage` imports the module rsbot_beam.storage.
            listed = (
                [f"{module}.{alias.name}" for alias in node.names]
                if module in ("rsbot_beam", "pipelines")
                else [module]
            )
            found.extend(Import(file, node.lineno, name, lazy) for name in listed)
        for child in ast.iter_child_nodes(node):
            visit(child, lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda))

    visit(ast.parse(path.read_text(encoding="utf-8")), lazy=False)
    return found


ALL_IMPORTS = [found for path in sources() for found in imports_of(path)]


def room(name: str) -> str:
    """Room of a dotted module name of ours."""
    parts = name.split(".")
    return "pipelines" if parts[0] == "pipelines" else (parts[1] if len(parts) > 1 else "rsbot_beam")


def room_of_file(file: str) -> str:
    return room(file.removesuffix(".py").replace("/", "."))


def is_in(file: str, places: set[str]) -> bool:
    return any(file.startswith(place) if place.endswith("/") else file == place for place in places)


def test_every_room_is_known() -> None:
    rooms = {room_of_file(path.relative_to(ROOT).as_posix()) for path in sources()} - {"__init__"}
    assert rooms <= set(MAY_IMPORT), "a new room: say in MAY_IMPORT and in ARCHITECTURE.md where it stands"


def test_imports_go_down_only() -> None:
    wrong = []
    for found in ALL_IMPORTS:
        ours, theirs = room_of_file(found.file), room(found.name)
        if ours == "__init__" or found.library not in ("rsbot_beam", "pipelines"):
            continue
        is_local_earth = theirs == "local_ee" and found.file.startswith("pipelines/earth")
        if theirs in ("__version__", ours) or is_local_earth:
            continue
        if theirs not in MAY_IMPORT[ours]:
            wrong.append(str(found))
    assert not wrong, "\n".join(wrong)


def test_the_floors_have_no_cycle() -> None:
    order = list(MAY_IMPORT)
    for name, allowed in MAY_IMPORT.items():
        assert all(order.index(other) < order.index(name) for other in allowed), name


def test_heavy_libraries_stay_in_their_rooms() -> None:
    wrong = []
    for found in ALL_IMPORTS:
        if found.library in ROOMS_OF_LIBRARIES:
            always, inside_functions = ROOMS_OF_LIBRARIES[found.library]
            allowed = is_in(found.file, always) or (found.lazy and is_in(found.file, inside_functions))
            wrong += [] if allowed else [str(found)]
    assert not wrong, "\n".join(wrong)


def test_only_the_main_program_s_modules_of_earthengine_know_its_client() -> None:
    knowing = {Path(f.file).name for f in ALL_IMPORTS if f.library == "ee" and "/earthengine/" in f.file}
    assert knowing <= KNOW_EE


def test_the_package_itself_imports_nothing_when_loaded() -> None:
    loaded = {f.library for f in ALL_IMPORTS if f.file == "rsbot_beam/__init__.py" and not f.lazy}
    assert loaded <= {"__future__", "importlib", "pathlib", "typing"}


def test_every_name_of_the_public_interface_is_typed_and_listed() -> None:
    tree = ast.parse((ROOT / "rsbot_beam/__init__.py").read_text(encoding="utf-8"))
    typed = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rsbot_beam")
        for alias in node.names
    }
    import rsbot_beam

    assert set(rsbot_beam.__all__) == typed | {"__version__"}
    assert set(rsbot_beam._HOME) == typed
    assert dir(rsbot_beam) == sorted(rsbot_beam.__all__)


def lengths_of_functions(path: Path) -> list[tuple[str, int]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = []
    for node in functions:
        first = node.body[1:] if ast.get_docstring(node) else node.body
        length = (node.end_lineno or 0) - first[0].lineno + 1 if first else 0
        lengths.append((f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", length))
    return lengths


def test_modules_and_mains_are_small() -> None:
    too_long = []
    for path in sources():
        text = path.read_text(encoding="utf-8")
        is_main = path.parent.name == "pipelines" and "\ndef main(" in text
        limit, length = LONGEST_MAIN if is_main else LONGEST_MODULE, len(text.splitlines())
        too_long += [f"{path.relative_to(ROOT)}: {length} lines, at most {limit}"] if length > limit else []
    assert not too_long, "\n".join(too_long)


def test_functions_are_small() -> None:
    lengths = sorted((length, name) for path in sources() for name, length in lengths_of_functions(path))
    assert lengths[-1][0] <= LONGEST_FUNCTION, lengths[-3:]
    assert lengths[int(0.9 * len(lengths))][0] <= 25


def test_sources_say_how_they_are_annotated() -> None:
    missing = [
        str(path.relative_to(ROOT))
        for path in sources()
        if (text := path.read_text(encoding="utf-8")).count("def ") and "from __future__ import annotations" not in text
    ]
    assert not missing


def loaded_by(code: str) -> set[str]:
    """Top-level packages that a fresh process has loaded after running `code`."""
    script = f"import sys\n{code}\nprint('LOADED', *sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT, timeout=120
    )
    return set(done.stdout.rpartition("LOADED")[2].split())


@pytest.mark.parametrize(
    ("code", "never"),
    [
        pytest.param(
            "import rsbot_beam",
            {"ee", "tensorflow", "apache_beam", "numpy", "shapely", "pyarrow"},
            id="package",
        ),
        pytest.param(
            "from pipelines.rsbot import main\nassert main(['--help']) == 0",
            {"ee", "tensorflow", "apache_beam", "numpy", "shapely", "pyarrow"},
            id="help",
        ),
        pytest.param(
            "from rsbot_beam.transforms import fetch, raw, enumerate",
            {"ee", "tensorflow", "tensorflow_transform", "tfx_bsl", "rasterio", "pyogrio", "matplotlib", "starlette"},
            id="fetch workers",
        ),
        pytest.param(
            "from rsbot_beam import load_recipe, read_patches, Region\nload_recipe('landcover')",
            {"ee", "tensorflow", "apache_beam", "rasterio"},
            id="recipes",
        ),
    ],
)
def test_what_is_loaded(code: str, never: set[str]) -> None:
    assert not loaded_by(code) & never
