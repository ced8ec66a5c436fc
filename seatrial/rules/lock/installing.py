"""Family 1, installing: what pip, uv and a starting process say when an environment cannot be made or is not whole.

Nothing here is decided from facts: the faults are between the lock, the index and the machine, and only their texts
show them.
"""

from __future__ import annotations

from seatrial.rules.cloud import SERVER_EXITED
from seatrial.rules.lock import locks, pairs
from seatrial.rules.rule import Rule, Symptom, Telling
from seatrial.rules.serving import processes

NOT_BUILT = Rule(
    code="ST140",
    title="a distribution has no wheel and could not be built",
    explanation=(
        "The installer found only a source archive for this Python and platform and tried to build it: a compiler, a "
        "header or a build requirement is missing. AI Platform hid that output and said only that the package failed "
        "to install."
    ),
    fix="pin a version that has a wheel for the configured Python, then run `seatrial lock`",
    cloud="User-provided package … failed to install: Command '…' returned non-zero exit status 1.",
    sources=(
        "https://github.com/GoogleCloudPlatform/python-docs-samples/issues/2186",
        "https://pip.pypa.io/en/stable/reference/build-system/",
    ),
    symptoms=(
        Symptom(r"ERROR: Failed building wheel for (?P<name>[\w.-]{1,200})", "{name} could not be built"),
        Symptom(
            r"Failed to build '(?P<name>[^'\n]{1,300})' when getting requirements",
            "{name} could not be built",
        ),
        Symptom(r"Failed to (?:download and )?build `(?P<name>[^`\n]{1,300})`", "{name} could not be built"),
        Symptom(r"error: metadata-generation-failed", "a source archive could not be prepared for building"),
        Symptom(r"The build backend returned an error", "a distribution could not be built"),
    ),
)

CONFLICT = Rule(
    code="ST141",
    title="requirements that cannot be installed together",
    explanation=(
        "Two requirements ask for versions of one distribution that exclude each other. The installer names both; "
        "torch and torchvision, whose versions come in pairs, have a rule of their own."
    ),
    fix="loosen or raise one of the named pins in requirements.in, then run `seatrial lock`",
    telling=Telling.WIDE,
    yields_to=(pairs.MISMATCHED,),
    cloud="ERROR: ResolutionImpossible",
    sources=("https://pip.pypa.io/en/stable/topics/dependency-resolution/",),
    symptoms=(
        Symptom(
            r"Cannot install (?P<pins>[^\n]{1,300}) because these package versions have conflicting",
            "{pins} cannot be installed together",
        ),
        Symptom(
            r"Because (?P<one>\S{1,200})\s+depends\s+on\s+(?P<what>\S{1,200})\s+and\s+you\s+require",
            "{one} needs {what}, and another version is asked for",
        ),
        Symptom(r"ERROR: ResolutionImpossible", "the requirements exclude each other"),
    ),
)

NO_INDEX = Rule(
    code="ST145",
    title="the package index does not answer",
    explanation=(
        "The installer could not reach the index: no network, a proxy that is not set, a name that does not resolve. "
        "Its last message, that the distribution does not exist, only follows from that."
    ),
    fix="check the network and the configured index, then run it again",
    cloud="ERROR: No matching distribution found for … (from versions: none)",
    sources=("https://pip.pypa.io/en/stable/topics/https-certificates/", "https://docs.astral.sh/uv/concepts/indexes/"),
    symptoms=(
        Symptom(
            r"after connection broken by '(?P<why>\w{1,80})[^\n]{0,400}/simple/",
            "the package index does not answer ({why})",
        ),
        Symptom(r"Failed to fetch: [`\"]?https?://(?P<host>[^\s`\"/]{1,200})", "{host} does not answer"),
    ),
)
NO_DISTRIBUTION = Rule(
    code="ST142",
    title="no such distribution for this Python, platform or index",
    explanation=(
        "The index has no file of that version which fits: it was never published, another index has it, or its "
        "wheels are for other Pythons, another processor or a newer C library than that of the base image."
    ),
    fix="pin a version that is published for the configured Python and platform, then run `seatrial lock`",
    telling=Telling.WIDE,
    yields_to=(locks.UNSERVED_LABEL, pairs.NO_WHEEL, NO_INDEX),
    cloud="ERROR: No matching distribution found for …",
    sources=("https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/",),
    symptoms=(
        Symptom(
            r"No matching distribution found for (?P<pin>(?!torch(?:vision)?==)[^\s;(]{1,200})",
            "there is no {pin} that can be installed here",
        ),
        Symptom(
            r"Because there is no version of (?P<pin>(?!torch(?:vision)?==)[^\s,]{1,200}\w)",
            "there is no {pin} that can be installed here",
        ),
        Symptom(
            (
                r"Because (?P<pin>(?!torch(?:vision)?==)\S{1,200})\s+has\s+no\s+wheels"
                r"\s+with\s+a\s+matching\s+(?P<what>\w+)"
            ),
            "{pin} has no wheel for this {what}",
        ),
    ),
)

DISK_FULL = Rule(
    code="ST143",
    title="the disk is full",
    explanation=(
        "torch and torchvision with CUDA take 5.5 GB once installed and more while they are unpacked, and again as "
        "layers of an image; a hosted runner has about 14 GB free. On a server, what the predictor writes below "
        "/tmp fills it."
    ),
    fix="lock the CPU builds (`seatrial lock --cpu`) if no GPU is used, or free space before installing",
    yields_to=(processes.SHARED_MEMORY,),
    cloud="ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
    sources=(
        "https://github.com/actions/runner-images/issues/10237",
        "https://github.com/googleapis/python-aiplatform/issues/3677",
    ),
    symptoms=(
        Symptom(
            r"(?P<file>(?<![\w.+-])[\w.+-]{1,200}+): no space left on device",
            "the disk was full while {file} was written",
        ),
        Symptom(r"[Nn]o space left on device", "the disk is full"),
    ),
)

OTHER_FILE = Rule(
    code="ST144",
    title="a downloaded file does not have the hash in the lock",
    explanation=(
        "What was downloaded is not the file that was locked. A different hash each time means a download "
        "that broke off; the same one again means that the lock was made from another index, or that the file was "
        "replaced."
    ),
    fix="install once more; if the hash stays, run `seatrial lock` against the index that is installed from",
    cloud="ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
    sources=(
        "https://github.com/pytorch/pytorch/issues/104598",
        "https://pip.pypa.io/en/stable/topics/secure-installs/",
    ),
    symptoms=(
        Symptom(r"Hash mismatch for `(?P<pin>[^`\n]{1,200})`", "{pin} does not have the hash in the lock"),
        Symptom(
            r"DO NOT MATCH THE HASHES[^\n]{0,400}\n\s{1,20}(?P<pin>[^\s:]{1,200})",
            "{pin} does not have the hash in the lock",
        ),
        Symptom(r"DO NOT MATCH THE HASHES", "a downloaded file does not have the hash in the lock"),
    ),
)


SYSTEM_LIBRARY = Rule(
    code="ST146",
    title="a system library is missing or too old",
    explanation=(
        "A distribution holds compiled code that needs a library of the operating system, which a slim base image "
        "does not have. opencv-python needs libGL; wheels tagged manylinux_2_28 need a C library of 2.28 or newer."
    ),
    fix=(
        "use a distribution that contains its libraries (opencv-python-headless instead of opencv-python), or a base "
        "image that has them"
    ),
    recognised=(
        "By what the loader says: the version of a system library that is not there, or a library whose name is of the "
        "operating system. The package follows from Debian's way to name libraries."
    ),
    cloud=SERVER_EXITED,
    sources=(
        "https://github.com/opencv/opencv-python/issues/370",
        "https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/",
    ),
)

# The machine's, the network's or the index's fault, as far as one can know, and not that of what was to be installed.
SURROUNDINGS = frozenset(rule.code for rule in (DISK_FULL, OTHER_FILE, NO_INDEX))
