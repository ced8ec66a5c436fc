"""Copy what the patterns match into $ARTIFACTS/NAME, below the folder that all patterns share, as the real one does."""

import os
import shutil
import sys
from pathlib import Path

name, overwrite = os.environ["NAME"], os.environ["OVERWRITE"] == "true"
if not name or set(name) & set('":<>|*?\r\n\\/'):
    sys.exit(f"no artifact can be called {name!r}")
patterns = [(Path.cwd() / line.strip()).resolve() for line in os.environ["PATTERNS"].splitlines() if line.strip()]
roots = [pattern.parent if "*" in pattern.name else pattern for pattern in patterns]
root = Path(os.path.commonpath(roots))
found = [match for pattern in patterns for match in pattern.parent.glob(pattern.name)]
files = [file for place in found for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file()]
if not files:
    sys.stdout.write(f"no files found for artifact {name}\n")
    sys.exit(1 if os.environ["IF_NONE"] == "error" else 0)
target = Path(os.environ["ARTIFACTS"], name)
if target.exists() and not overwrite:
    sys.exit(f"an artifact {name} is there already")
shutil.rmtree(target, ignore_errors=True)
for file in files:
    place = target / file.relative_to(root)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, place)
    sys.stdout.write(f"uploaded {name}: {file.relative_to(root)}\n")
