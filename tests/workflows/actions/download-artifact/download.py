"""Copy artifacts from $ARTIFACTS; a single one lies in the folder itself, as with the real action."""

import fnmatch
import os
import shutil
import sys
from pathlib import Path

artifacts = Path(os.environ["ARTIFACTS"])
wanted = os.environ["NAME"] or os.environ["PATTERN"] or "*"
found = [place for place in sorted(artifacts.glob("*")) if fnmatch.fnmatchcase(place.name, wanted)]
if os.environ["NAME"] and not found:
    sys.exit(f"there is no artifact {wanted}")
flat = bool(os.environ["NAME"]) or os.environ["MERGE"] == "true" or len(found) == 1
for artifact in found:
    to = Path(os.environ["TO"]) if flat else Path(os.environ["TO"], artifact.name)
    shutil.copytree(artifact, to, dirs_exist_ok=True)
    sys.stdout.write(f"downloaded {artifact.name} to {to}\n")
