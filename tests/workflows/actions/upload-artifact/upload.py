"""Copy what the patterns match into $ARTIFACTS/NAME, below the folder that all patterns share, as the real action does."""

import glob
import os
import pathlib
import shutil
import sys

name, overwrite = os.environ["NAME"], os.environ["OVERWRITE"] == "true"
assert name and not set(name) & set('":<>|*?\r\n\\/'), f"no artifact can be called {name!r}"
patterns = [os.path.abspath(line.strip()) for line in os.environ["PATTERNS"].splitlines() if line.strip()]
roots = [os.path.dirname(pattern.split("*")[0]) if "*" in pattern else pattern for pattern in patterns]
root = pathlib.Path(os.path.commonpath(roots))
found = [pathlib.Path(match) for pattern in patterns for match in glob.glob(pattern)]
files = [file for place in found for file in ([place] if place.is_file() else place.rglob("*")) if file.is_file()]
if not files:
    print(f"no files found for artifact {name}")
    sys.exit(1 if os.environ["IF_NONE"] == "error" else 0)
target = pathlib.Path(os.environ["ARTIFACTS"], name)
if target.exists() and not overwrite:
    sys.exit(f"an artifact {name} is there already")
shutil.rmtree(target, ignore_errors=True)
for file in files:
    place = target / file.relative_to(root)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, place)
    print(f"uploaded {name}: {file.relative_to(root)}")
