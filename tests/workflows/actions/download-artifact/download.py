"""Copy artifacts from $ARTIFACTS; a single one lies in the folder itself, as with the real action."""

import fnmatch
import os
import pathlib
import shutil

artifacts = pathlib.Path(os.environ["ARTIFACTS"])
wanted = os.environ["NAME"] or os.environ["PATTERN"] or "*"
found = [place for place in sorted(artifacts.glob("*")) if fnmatch.fnmatchcase(place.name, wanted)]
assert found or not os.environ["NAME"], f"there is no artifact {wanted}"
flat = bool(os.environ["NAME"]) or os.environ["MERGE"] == "true" or len(found) == 1
for artifact in found:
    to = pathlib.Path(os.environ["TO"]) if flat else pathlib.Path(os.environ["TO"], artifact.name)
    shutil.copytree(artifact, to, dirs_exist_ok=True)
    print(f"downloaded {artifact.name} to {to}")
