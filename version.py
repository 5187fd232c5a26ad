"""The program's version, as pyproject.toml has it."""

import tomllib

from paths import PYPROJECT

VERSION: str = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["version"]
MAKER = "facial expressions"  # outputs of every version are recognised by this
MADE_WITH = f"{MAKER} {VERSION}"  # what is written into outputs
