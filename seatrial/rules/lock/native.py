"""Family 1, native code: compiled parts of distributions that do not fit what is beside them.

Nothing here is decided from facts: the loader, numpy and protobuf say at run time what does not fit. Which library,
which distribution and which direction is read from their texts by `diagnosis/families/`.
"""

from __future__ import annotations

from seatrial.rules.cloud import SERVER_EXITED
from seatrial.rules.rule import Rule

OTHER_NUMPY = Rule(
    code="ST160",
    title="a compiled part was built for another numpy",
    explanation=(
        "A distribution with compiled code was built against one version of numpy's C interface, and another one is "
        "installed. Code built for numpy 1 does not load with numpy 2; code built for a newer numpy does not load "
        "with an older one. The metadata of most older releases does not say so, and no resolver refuses the pair."
    ),
    fix="write `numpy<2` in requirements.in, or take a release that was built for numpy 2; then run `seatrial lock`",
    recognised=(
        "By the sizes or versions of the C interface that numpy prints, which tell the direction. The distribution is "
        "that of the innermost frame that is not of numpy."
    ),
    cloud="ValueError: numpy.dtype size changed, may indicate binary incompatibility.",
    sources=(
        "https://numpy.org/doc/stable/dev/depending_on_numpy.html",
        "https://numpy.org/devdocs/numpy_2_0_migration_guide.html",
    ),
)

OTHER_TORCH = Rule(
    code="ST161",
    title="a compiled extension was built for another torch",
    explanation=(
        "An extension of torch is bound to the release, the build (CPU or a version of CUDA) and the C++ ABI that it "
        "was compiled with. With another torch its symbols or libraries are not there. Metadata seldom says so."
    ),
    fix="lock the release of the extension that is published for the locked torch, or build it against that torch",
    recognised=(
        "By the form of the symbol that is not defined, or by the name of the library, which is torch's or CUDA's. "
        "The file that needs it tells the distribution."
    ),
    cloud=SERVER_EXITED,
    sources=("https://docs.pytorch.org/docs/stable/cpp_extension.html",),
)

OTHER_LIBRARY = Rule(
    code="ST162",
    title="a compiled part finds another library than it was linked with",
    explanation=(
        "The loader found a library of the right name that does not have the needed symbol or version: one of the "
        "operating system, of conda or of `LD_LIBRARY_PATH` comes before the one that belongs to the distribution, or "
        "two distributions bring different versions."
    ),
    fix="install from one source into a new environment, and do not set LD_LIBRARY_PATH",
    recognised=(
        "By what the loader says: a symbol without a library, a file of another kind, no space for thread-local data."
    ),
    cloud=SERVER_EXITED,
    sources=("https://man7.org/linux/man-pages/man8/ld.so.8.html",),
)

OTHER_PROTOBUF = Rule(
    code="ST163",
    title="generated code does not fit the installed protobuf",
    explanation=(
        "A distribution ships modules that protoc generated. They work with some versions of protobuf only: old ones "
        "not with protobuf 4 and later, new ones not with an older protobuf than that of their generator."
    ),
    fix="change the pin of protobuf to a version that fits, or take a newer release of the distribution; then lock",
    recognised="By what protobuf's modules raise while generated code is imported, and by the frame of that code.",
    cloud="TypeError: Descriptors cannot be created directly.",
    sources=("https://protobuf.dev/support/cross-version-runtime-guarantee/",),
)
