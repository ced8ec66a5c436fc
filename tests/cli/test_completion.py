"""`seatrial completion`: what each shell makes of its script when a person presses the tabulator."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.process import seatrial

CASES = (  # what is typed, and what its last word becomes
    ("seatrial smo", "smoke"),
    ("seatrial smoke --dev", "--device"),
    ("seatrial smoke --device cu", "cuda"),
    ("seatrial golden re", "record"),
    ("seatrial init --checkpoint wei", "weights.pt"),
)
# Each is given the script that is tried, then pairs as above; it prints what is offered for each, a line each.
BASH = """
source "$1"; shift
function=$(complete -p seatrial | sed 's/.*-F \\([^ ]*\\).*/\\1/')
for ((; $#; )); do
  COMP_WORDS=($1); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  "$function"
  echo "${COMPREPLY[@]}"
  shift 2
done
"""
FISH = """
source $argv[1]
for at in (seq 2 2 (count $argv))
  echo (complete --do-complete $argv[$at] | string replace --regex '\\t.*' '')
end
"""
# A terminal of its own, in which the line is typed, and which has to show the whole word after the tabulator.
ZSH = """
zmodload zsh/zpty
zpty terminal zsh -f -i
zpty -w terminal "autoload -U compinit; compinit -u -D; eval \\"\\$(<${(q)1})\\"; print READ''Y"
zpty -r terminal seen '*READY*'
for typed word in $argv[2,-1]; do
  zpty -w -n terminal $'\\C-u'"$typed"$'\\t'
  zpty -r -m terminal seen "*$word*" && print -r -- "$word"
done
"""


@pytest.mark.parametrize(
    ("shell", "bare", "asks"), [("bash", "--norc", BASH), ("fish", "--no-config", FISH), ("zsh", "-f", ZSH)]
)
def test_commands_options_their_values_and_files_are_completed(
    tmp_path: Path, shell: str, bare: str, asks: str
) -> None:
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}, which is not installed")
    made = seatrial("completion", shell)
    assert made.returncode == 0, made.stderr
    for name, text in (("script", made.stdout), ("asks", asks), ("weights.pt", "")):
        (tmp_path / name).write_text(text)
    given = [part for case in CASES for part in case]
    done = subprocess.run(
        [shell, bare, "asks", str(tmp_path / "script"), *given],
        cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.splitlines() == [word for _, word in CASES]
