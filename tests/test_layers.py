"""The layers of the code: each module imports only from layers below its own, in functions too."""

import ast

from paths import ROOT

# From top to bottom. Modules and packages of one layer do not import each other.
LAYERS = [
    ["benchmarks", "tools"],
    ["main", "analyze"],
    ["web"],
    ["videos", "training"],
    ["camera"],
    ["model"],
    ["inference"],
    ["vision"],
    ["version"],
    ["paths"],
]
LAYER_OF = {package: number for number, packages in enumerate(LAYERS) for package in packages}
UNKNOWN_TO_VISION = {"flask", "keras", "model", "tensorflow", "werkzeug"}


def package(name):
    """The first part of a dotted name."""
    return name.partition(".")[0]


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path):
    """The dotted names that a file imports: for `from a import b` both a and a.b, since b may be a module."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    return names


PACKAGES = [path.parent for path in ROOT.glob("*/__init__.py")]
PATHS = [*ROOT.glob("*.py"), *(path for folder in PACKAGES for path in folder.rglob("*.py"))]
IMPORTS = {module_of(path): imports_of(path) for path in PATHS}


def test_every_module_has_a_layer():
    assert {package(module) for module in IMPORTS} == set(LAYER_OF)


def test_imports_come_from_below():
    wrong = [
        f"{module} imports {name}"
        for module, names in IMPORTS.items()
        for name in names
        if package(name) in LAYER_OF and package(name) != package(module)
        if LAYER_OF[package(name)] <= LAYER_OF[package(module)]
    ]
    assert wrong == []


def test_no_imports_go_in_a_circle():
    left = {module: names & IMPORTS.keys() for module, names in IMPORTS.items()}
    while ready := [module for module, needed in left.items() if not needed & left.keys()]:
        for module in ready:
            del left[module]
    assert left == {}


def test_vision_knows_neither_keras_nor_http_nor_the_model():
    names = {name for module, names in IMPORTS.items() if package(module) == "vision" for name in names}
    assert {package(name) for name in names} & UNKNOWN_TO_VISION == set()


def test_opencv_comes_from_one_place():
    users = {module for module, names in IMPORTS.items() if "cv2" in names and package(module) != "benchmarks"}
    assert users == {"vision.opencv"}
