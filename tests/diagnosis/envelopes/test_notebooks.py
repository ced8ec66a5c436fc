"""Tracebacks of IPython: what its releases print of the same failure is read alike."""

from __future__ import annotations

import pytest

from seatrial.diagnosis.envelopes import plain
from seatrial.diagnosis.exceptions import read
from seatrial.diagnosis.raised import Owner
from seatrial.diagnosis.translate import diagnose

RULE = "-" * 75
# Printed by IPython 7.34, 8.0, 9.1 and Colab, of the same cell.
RELEASES = {
    "7.34": """\
KeyError                                  Traceback (most recent call last)
~/project/own.py in load(self, path)
      9         try:
---> 10             return inner({})
     11         except KeyError:

~/project/own.py in inner(x)
      2     y = 1
----> 3     return x["weights"]
      4

KeyError: 'weights'

During handling of the above exception, another exception occurred:

OSError                                   Traceback (most recent call last)
<ipython-input-1-2f7461309d45> in <cell line: 0>()
      2 m = own.Model()
      3
----> 4 m.load('a.pt')

~/project/own.py in load(self, path)
     10             return inner({})
     11         except KeyError:
---> 12             raise OSError(f"no weights in {path}")

OSError: no weights in a.pt
""",
    "8.0": """\
KeyError                                  Traceback (most recent call last)
File ~/project/own.py:10, in Model.load(self, path)
      9 try:
---> 10     return inner({})
     11 except KeyError:

File ~/project/own.py:3, in inner(x)
      2 y = 1
----> 3 return x["weights"]

KeyError: 'weights'

During handling of the above exception, another exception occurred:

OSError                                   Traceback (most recent call last)
Input In [1], in <module>
      1 import own
      2 m = own.Model()
----> 4 m.load('a.pt')

File ~/project/own.py:12, in Model.load(self, path)
     10     return inner({})
     11 except KeyError:
---> 12     raise OSError(f"no weights in {path}")

OSError: no weights in a.pt
""",
}
RELEASES["9.1"] = RELEASES["8.0"].replace("Input In [1], in <module>", "Cell In[1], line 4")
RELEASES["Colab"] = RELEASES["7.34"].replace("~/project/own.py in", "[~/project/own.py](https://localhost:8080/#) in")
RELEASES["VS Code"] = RELEASES["9.1"].replace(
    "File ~/project/own.py:3,", "File [~/project/own.py:3](file:///home/u/project/own.py:3),"
)
RELEASES["of a log of a workflow"] = "".join(
    f"2026-11-22T20:48:24.1234567Z {line}\n" for line in RELEASES["9.1"].splitlines()
)
RELEASES["indented"] = "".join(f"    {line}\n" for line in RELEASES["9.1"].splitlines())


@pytest.mark.parametrize("text", RELEASES.values(), ids=RELEASES)
@pytest.mark.parametrize("rule", [f"{RULE}\n", ""], ids=["with a rule", "without"])
def test_the_frames_are_read_from_what_every_release_prints(text: str, rule: str) -> None:
    found = read(plain(f"before\n{rule}{text}"))
    (raised,) = found.raised
    first, last = list(raised.chain())[1], raised
    assert (first.type, first.message, last.type, last.message) == (
        "KeyError", "'weights'", "OSError", "no weights in a.pt",
    )  # fmt: skip
    assert [(f.line, f.function, f.source) for f in first.frames] == [
        (10, "load", "return inner({})"),
        (3, "inner", 'return x["weights"]'),
    ]
    assert [(f.line, f.function, f.owner) for f in last.frames] == [
        (4, "<module>", Owner.PROJECT),
        (12, "load", Owner.PROJECT),
    ]
    assert "ipython-input-1" in last.frames[0].file
    assert [s.text for s in found.statements if not s.text.startswith("---")] == ["before"]


def test_a_frame_of_a_distribution_is_the_distributions() -> None:
    text = f"""\
{RULE}
UnpicklingError                           Traceback (most recent call last)
Cell In[10], line 12
     11 else:
---> 12     my_model = model.load_state_dict(torch.load(model_location))
     18 model.eval()

File ~/miniconda3/envs/p/lib/python3.8/site-packages/torch/serialization.py:713, in load(f, **pickle_load_args)
    712         return _load(opened_zipfile)
--> 713 return _legacy_load(opened_file)

UnpicklingError: invalid load key, '\\x0a'.
"""
    (raised,) = read(plain(text)).raised
    assert [(f.owner, f.distribution, f.line) for f in raised.frames] == [
        (Owner.PROJECT, "", 12),
        (Owner.DISTRIBUTION, "torch", 713),
    ]
    assert diagnose(text)[0].evidence[0].endswith(":12, in <module>")


@pytest.mark.parametrize("place", ["Cell In[4], line 1", "Input In [4]", "File ~/project/own.py:1"])
def test_a_syntax_error_has_its_place_although_it_has_no_header(place: str) -> None:
    text = f"  {place}\n    print 'a'\n    ^\nSyntaxError: Missing parentheses in call to 'print'.\n"
    (raised,) = read(plain(text)).raised
    assert (raised.type, raised.frames[0].line, raised.frames[0].source) == ("SyntaxError", 1, "print 'a'")


@pytest.mark.parametrize(
    "text",
    [
        "KeyError seen; no Traceback (most recent call last) here",
        "----> 3 in a table",
        "  File uploads: 3",
        "      1 import own",
        "see Cell In[3], line 1",
    ],
)
def test_a_line_that_only_looks_like_it_stays_as_it_is(text: str) -> None:
    assert plain(text) == text
