"""Native libraries: which one the loader does not find, or which symbol, and what would bring it.

By the name of the library: the driver's, CUDA's, torch's own, one of the operating system, or one that a wheel brings.
By the form of the symbol: whose interface it is. The file that needs it tells the distribution.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families import one_package
from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.reading import after, at_version, distribution_at, importer, text_of, words_of
from seatrial.findings import Severity
from seatrial.rules.devices import cuda
from seatrial.rules.lock import companions, installing, native, pairs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case, Statement
    from seatrial.diagnosis.raised import Raised
    from seatrial.rules.rule import Rule

ALONE = True
_LIB = r"(?P<library>lib[\w.+-]+?\.so(?:\.[\d.]*\d)?)"
_MISSING = (  # the loader's own words first, because libraries quote them
    re.compile(rf"(?<![\w./-]){_LIB}: cannot open shared object file: No such", re.IGNORECASE),
    re.compile(rf"(?:[Ll]ibrary|load) [`'\"]?{_LIB}[`'\"]?[^\n]{{0,30}}(?:not found|failed)"),
    re.compile(
        r"(?:Could not|Unable to|[Cc]annot|Failed to) (?:load|open|"
        rf"find)(?: dynamic)?(?: shared)?(?: library)?:? [`'\"]?{_LIB}"
    ),
)
# Levels and sentences of warnings: the program goes on without the library.
_WARNED = re.compile(r"\w*Warning\b|dso_loader|\[W:|^W\d{4}|\bWARN(?:ING)?\b|Skipping registering|you can ignore this")
_DRIVER = re.compile(r"lib(?:cuda|nvidia-\w+|nvcuvid|nvidia_\w+|nvoptix)\.so")
_OF_CUDA = re.compile(
    r"lib(?P<name>cudart|cublas(?:Lt)?|cudnn\w*|cufft\w*|curand|cusparse(?:Lt)?|cusolver\w*|nvrtc\S*?|nccl|nvJitLink|"
    r"cupti|"
    r"nvToolsExt|cufile|npp\w+|nvjpeg|nvshmem\w*)\.so(?:\.\d|$)"
)
_WHEELS = {  # library of CUDA → NVIDIA's wheel that holds it, before `-cu12`
    "cudart": "cuda-runtime",
    "nvrtc": "cuda-nvrtc",
    "cublas": "cublas",
    "cublasLt": "cublas",
    "curand": "curand",
    "cusparse": "cusparse",
    "nccl": "nccl",
    "nvJitLink": "nvjitlink",
    "cupti": "cuda-cupti",
    "nvToolsExt": "nvtx",
    "cusparseLt": "cusparselt",
    "cufile": "cufile",
    "nvjpeg": "nvjpeg",
}
_OF_TORCH = re.compile(r"lib(?:torch(?:_\w+)?|c10(?:_\w+)?|shm|caffe2\w*)\.so")
_BUNDLED = re.compile(r"lib[\w.+-]+-[0-9a-f]{8}\.")  # how auditwheel renames a library that it puts into a wheel
_OF_PYTHON = re.compile(r"libpython(?P<version>\d\.\d+)\w*\.so")
_OF_MKL = re.compile(r"lib(?P<name>mkl_\w+|iomp5|tbb\w*|sycl|OpenCL)\.so")
_PROVIDERS = {"mkl": "mkl", "iomp5": "intel-openmp", "tbb": "tbb"}
# Debian's packages whose names do not follow from the library's.
_PACKAGES = {
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libgobject-2.0.so.0": "libglib2.0-0",
    "libgio-2.0.so.0": "libglib2.0-0",
    "libjpeg.so.8": "libjpeg-turbo8 (Ubuntu) or libjpeg62-turbo (Debian, which has libjpeg.so.62)",
    "libjpeg.so.62": "libjpeg62-turbo",
    "libz.so.1": "zlib1g",
    "libssl.so.1.1": "libssl1.1 (of Debian 11 and Ubuntu 20.04; later ones have OpenSSL 3)",
    "libcrypto.so.1.1": "libssl1.1 (of Debian 11 and Ubuntu 20.04; later ones have OpenSSL 3)",
    "libffi.so.7": "libffi7 (of Debian 11; later ones have libffi8)",
    "libmagic.so.1": "libmagic1",
    "libgeos_c.so.1": "libgeos-c1v5",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libgomp.so.1": "libgomp1",
}
_NEWER = re.compile(
    r"version [`'](?P<version>(?P<kind>GLIBC|GLIBCXX|CXXABI|GCC|GOMP|OMP|LIBFFI|OPENSSL|NVJITLINK|lib\w+\.so\.\d+|\w+?)"
    r"_?(?P<number>[\d.]*))' not found(?: \(required by (?P<file>[^)\n]+)\))?"
)
_SYMBOL = re.compile(
    r"(?:(?P<file>[^\s:'\"]*\.so[^\s:]*): )?undefined symbol: (?P<symbol>[\w@.]+)(?:,? version (?P<version>[\w.]+))?"
)
# `symbol f version libx.so.1 not defined in file libx.so.1 with link time reference`
_NOT_IN_FILE = re.compile(
    r"(?:(?P<file>[^\s:'\"]*\.so[^\s:]*): )?symbol (?P<symbol>\w+),? version (?P<version>\S+) not defined "
    r"in file (?P<library>\S+\.so[\d.]*)"
)
# What the loader of musl says, and it asks for the loader of glibc.
_OF_MUSL = re.compile(
    r"Error loading shared library (?P<library>ld-linux[^\s:]*|libc\.so\.6|libm\.so\.6)[^\n(]*"
    r"\(needed by (?P<file>[^)\n]+)\)"
)
# What onnxruntime says of a library of its own that cannot be loaded; it goes on without the GPU.
_PROVIDER = re.compile(r"Failed to load library \S*libonnxruntime_providers_\w+\.so with error")
_LOADED = re.compile(r"Could not load this library: (?P<file>\S+\.so)")
_FILE = re.compile(r"/[\w./+-]+\.so\b")
_STATIC_TLS = re.compile(r"(?P<file>[^\s:'\"]*\.so[^\s:]*): cannot allocate memory in static TLS block")
_FORMAT = re.compile(
    r"(?P<file>[^\s:'\"]*\.so[^\s:]*): (?:wrong ELF class|cannot open shared object file: Exec format|invalid ELF)"
)
_STACK = re.compile(
    r"(?P<file>[^\s:'\"]*\.so[^\s:]*): (?:cannot enable executable stack|failed to map segment|file too short)"
)


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge an exception that repeats what the loader said."""
    if one_package.knows(raised, case):
        return
    yield from _told(words_of(raised), raised.position, case, raised)


def of_statement(statement: Statement, case: Case) -> Iterator[Diagnosis]:
    """Judge what the loader, or a program that loads a library, printed."""
    text = text_of(statement)
    if not _WARNED.search(text) or _PROVIDER.search(text):
        yield from _told(text, statement.position, case, None)


def _told(text: str, position: int, case: Case, raised: Raised | None) -> Iterator[Diagnosis]:
    if ".so" not in text and "not found" not in text and "undefined symbol" not in text:
        return
    if musl := _OF_MUSL.search(text):
        yield _musl(musl, position)
    elif other := _NOT_IN_FILE.search(text):
        yield _another(other, position)
    elif symbol := _SYMBOL.search(text):
        yield from _symbol(symbol, position, case, raised)
    elif newer := _NEWER.search(text):
        yield from _too_old(newer, position, case, raised)
    elif static := _STATIC_TLS.search(text):
        whose = distribution_at(static["file"]) or static["file"]
        finding = native.OTHER_LIBRARY.finding(
            f"{static['file'].rpartition('/')[2]} of {whose} cannot be loaded so late: the space for thread-local "
            "data is used up",
            cause="It is a limit of the loader that depends on the order of imports, and frequent on ARM.",
            fix=(
                f"import {whose} first, before torch and OpenCV, or set LD_PRELOAD to that file; newer releases need "
                "less"
            ),
        )
        yield Diagnosis(finding, "the loader names the static TLS block", position)
    elif broken := (_FORMAT.search(text) or _STACK.search(text)):
        yield _broken(broken, text, position)
    elif missing := next((found for form in _MISSING if (found := form.search(text))), None):
        provider = bool(_PROVIDER.search(text))
        yield _missing(missing["library"], position, case, raised, "onnxruntime-gpu" if provider else "")


def _musl(found: re.Match[str], position: int) -> Diagnosis:
    whose = distribution_at(found["file"]) or found["file"]
    finding = installing.SYSTEM_LIBRARY.finding(
        f"{whose} was built for glibc, and this image has musl (Alpine): it asks for {found['library']}",
        cause="musl's loader cannot load what was linked with glibc, and torch publishes no wheels for musl",
        fix="take an image with glibc, such as python:3.11-slim; glibc's loader alone, in Alpine, does not suffice",
        severity=Severity.ERROR,
    )
    return Diagnosis(finding, "the words are those of musl's loader, and the library is the loader of glibc", position)


def _another(found: re.Match[str], position: int) -> Diagnosis:
    file, library = found["file"] or "", found["library"]
    whose = distribution_at(file) or file.rpartition("/")[2] or "what asks for it"
    finding = native.OTHER_LIBRARY.finding(
        f"another {library} is loaded than the one that {whose} was linked with: it has no `{found['symbol']}`",
        cause="two libraries of this name are on the machine (of conda, of /usr/local/cuda, of a wheel), and the one "
        "that is found first is of another release",
        fix=f"start without LD_LIBRARY_PATH, and install the libraries of CUDA from one source; `find / -name "
        f"'{library}*'` shows which there are",
    )
    return Diagnosis(finding, f"the loader names the symbol and {library}, in which it is not", position)


def _broken(found: re.Match[str], text: str, position: int) -> Diagnosis:
    whose = distribution_at(found["file"]) or found["file"]
    other = "ELF class" in text or "format" in text
    finding = native.OTHER_LIBRARY.finding(
        f"{found['file'].rpartition('/')[2]} of {whose} cannot be loaded: "
        f"{text[found.end() - 24 : found.end()].strip(': ')}",
        cause="The file is for another kind of processor, or cut."
        if other
        else "The file is cut, or the kernel forbids it.",
        fix=f"install {whose} again in the image, for its processor, and do not copy environments between machines",
    )
    return Diagnosis(finding, "the loader says that it cannot use the file", position)


def _missing(library: str, position: int, case: Case, raised: Raised | None, asks: str = "") -> Diagnosis:
    """Tell what brings a library that is not there."""
    asks = asks or (_asking(raised, case) if raised else "")
    # Without a lock nobody knows which of OpenCV's builds it is.
    shown = "OpenCV (cv2)" if asks.startswith("opencv") and not case.locked(asks) else at_version(case, asks)
    asking = f", which {shown} asks for," if asks else ""
    rule, message, cause, fix = _brings(library, asks, asking, case)
    finding = rule.finding(message, cause=cause, fix=fix, severity=Severity.ERROR)
    by = f" for {asks}" if asks else ""
    return Diagnosis(finding, f"the loader does not find {library}{by}, and the name tells whose it is", position)


def _asking(raised: Raised, case: Case) -> str:
    """Return the distribution whose file the loader was loading; "" if nothing tells.

    torch loads the files of its extensions, and then names the file in an exception that follows.
    """
    last = next((last for last in case.raised if any(link is raised for link in last.chain())), raised)
    for each in last.chain():
        if path := _FILE.search(each.message):
            return distribution_at(path[0])
    # Where the lines of a chain are entries of their own, the exception that follows stands for itself.
    if named := _LOADED.search(after(case, raised.position, 4_000)):
        return distribution_at(named["file"])
    return importer(raised, "torch") or importer(raised)


def _brings(library: str, asks: str, asking: str, case: Case) -> tuple[Rule, str, str, str]:
    """Return the rule, message, cause and fix for a library that is not there."""
    if _DRIVER.match(library):
        return (
            cuda.NO_CUDA,
            f"{library}{asking} is part of the NVIDIA driver, and there is no driver here",
            (
                "The driver belongs to the machine with the GPU, and the container runtime puts it into the "
                "container: no GPU is attached, or the container was started without it. No package of an image "
                "replaces it."
            ),
            (
                "run it on a machine with a GPU, and with `--gpus all` in docker; where it is to run without one, do "
                f"not import {asks or 'what needs CUDA'} there"
            ),
        )
    if _BUNDLED.match(library):
        return (
            native.OTHER_LIBRARY,
            f"{library}{asking} should lie in the wheel itself, and is not there",
            (
                "Its name has the mark that auditwheel gives: the installation is not whole, or parts were deleted or "
                "copied."
            ),
            f"install {asks or 'the distribution'} again, and copy no parts of site-packages",
        )
    if _OF_TORCH.match(library):
        return _of_torch(library, asks, asking, case)
    if found := _OF_CUDA.match(library):
        plain = re.sub(r"_\w+$", "", found["name"])
        wheel = f"nvidia-{_WHEELS.get(plain, plain.lower())}"
        return (
            pairs.DOES_NOT_IMPORT if asks == "torchvision" else native.OTHER_TORCH,
            f"{library}{asking} is a library of CUDA, and the environment does not have this version",
            (
                "torch with CUDA brings its libraries as wheels of NVIDIA for one major version; what asks was built "
                f"for another one, or torch is a CPU build, or the wheel {wheel}-cu… is not installed."
            ),
            (
                f"take the build of {asks or 'what asks for it'} that is for the CUDA of the locked torch "
                "(`torch.version.cuda`), or the CPU build of all; then run `seatrial lock`"
            ),
        )
    if python := _OF_PYTHON.match(library):
        return (
            native.OTHER_LIBRARY,
            f"{library}{asking} is Python {python['version']} itself as a library, and is not there",
            "It was built for another Python, or for one that is shared; this Python has its library built in.",
            f"install a wheel for this Python, or use an image whose Python {python['version']} has the library",
        )
    if intel := _OF_MKL.match(library):
        wheel = next((wheel for part, wheel in _PROVIDERS.items() if intel["name"].startswith(part)), "")
        bring = (
            f"add {wheel} to requirements.in and run `seatrial lock`" if wheel else "install it from Intel's packages"
        )
        if wheel and case.locked(wheel):
            bring = f"{wheel} is locked, but the loader does not look there: install all in one environment"
        return (
            installing.SYSTEM_LIBRARY,
            f"{library}{asking} is a library of Intel, and is not there",
            (
                "conda brings it as a package of its own; wheels on the index have it built in or name it as a "
                "requirement."
            ),
            f"{bring}, or take the wheel of {asks or 'the distribution'} from the index in place of conda's build",
        )
    return _of_system(library, asks, asking)


def _of_torch(library: str, asks: str, asking: str, case: Case) -> tuple[Rule, str, str, str]:
    rule = pairs.DOES_NOT_IMPORT if asks == "torchvision" else native.OTHER_TORCH
    of_cuda = "cuda" in library
    torch = _torch(case)
    if library.startswith(("libtorch_cuda_cu.", "libtorch_cuda_cpp.")):
        message = (
            f"{library}{asking} is of old CUDA builds of torch: {asks or 'what asks for it'} was built for one of them"
        )
        cause = f"Before 1.13 some had their CUDA code in two libraries; here is {torch}."
    elif of_cuda:
        message = f"{library}{asking} is of a torch with CUDA, and this torch is a CPU build"
        cause = f"{asks or 'What asks for it'} is a CUDA build, and its neighbour torch is not, or of another release."
    else:
        message = f"{library}{asking} is torch's own library, and the loader does not find it"
        cause = f"It is loaded before torch, or built for a release of torch that has it; here is {torch}."
    take = f"take the build of {asks or 'what asks for it'} that is published for {torch}, from the same index"
    return rule, message, cause, f"{take}, then run `seatrial lock`; `import torch` before it"


def _torch(case: Case) -> str:
    return at_version(case, "torch") if case.locked("torch") else "the installed torch"


def _of_system(library: str, asks: str, asking: str) -> tuple[Rule, str, str, str]:
    if asks.startswith("opencv"):
        return (
            companions.WINDOWED_OPENCV,
            f"the system library {library}{asking} is missing: it is for windows, which a server does not have",
            "opencv-python draws windows and needs the libraries of a graphical system; the headless build does not.",
            (
                "write opencv-python-headless in place of opencv-python in requirements.in and run `seatrial lock`; "
                f"if another distribution asks for opencv-python, install {_package(library)} in the image"
            ),
        )
    if library.endswith(".so"):  # libraries that a program runs with have a version in their names
        return (
            native.OTHER_LIBRARY,
            f"the library {library}{asking} is not where the loader looks",
            (
                "Its name has no version, so it is no library of the system but one that a distribution or the "
                "project brings."
            ),
            (
                f"install {asks or 'what brings it'} whole and in its own folder; load a library of the project by "
                "its absolute path beside the module"
            ),
        )
    return (
        installing.SYSTEM_LIBRARY,
        f"the system library {library}{asking} is missing",
        f"The image's distribution has it as a package, by Debian's naming {_package(library)}.",
        f"install {_package(library)} in the image (`apt-get install`), or take a distribution whose wheel brings it",
    )


def _package(library: str) -> str:
    """Return the package of Debian that has a library: its name and version, with a hyphen between two digits."""
    if library in _PACKAGES:
        return _PACKAGES[library]
    name, _, version = library.partition(".so")
    version = version.lstrip(".")
    name = name.lower().replace("_", "-")
    return f"{name}{'-' if name[-1:].isdigit() and version else ''}{version}"


def _too_old(found: re.Match[str], position: int, case: Case, raised: Raised | None) -> Iterator[Diagnosis]:
    """Judge a version of a system library that the image's library does not have."""
    file = found["file"] or ""
    whose = distribution_at(file) or (importer(raised) if raised else "") or file.rpartition("/")[2]
    needs = f", which {at_version(case, whose)} needs" if whose else ""
    if found["kind"] == "GLIBC":
        message = f"the image's C library is older than {found['version']}{needs}"
        cause = "The C library comes with the image's distribution and cannot be upgraded alone."
        fix = (
            "take a newer base image (Debian 12 has glibc 2.36, Debian 11 2.31, Ubuntu 22.04 2.35, 24.04 2.39), or a "
            "wheel that is built for an older one (manylinux); what you compiled yourself, compile in the base image"
        )
        rule: Rule = installing.SYSTEM_LIBRARY
    elif found["kind"] in ("GLIBCXX", "CXXABI", "GCC", "GOMP"):
        message = f"the libstdc++ that is loaded is older than {found['version']}{needs}"
        cause = (
            "It was compiled with a newer compiler than that of the libstdc++ that the loader found first: the "
            "image's, or conda's."
        )
        fix = (
            "take a newer base image, or a published wheel in place of what was compiled elsewhere; in conda install "
            "libstdcxx-ng there and do not mix it with the system's"
        )
        rule = installing.SYSTEM_LIBRARY
    else:
        return
    finding = rule.finding(message, cause=cause, fix=fix)
    yield Diagnosis(finding, f"the loader does not find the version {found['version']}", position)


# Form of a symbol → whose interface it is: rule, message, cause, fix. {whose} needs it, {library} should have it.
_INTERFACES = (
    (
        re.compile(r"iJIT_|__itt_"),
        native.OTHER_LIBRARY,
        "torch of conda does not fit the installed MKL: mkl 2024.1 and later have no {symbol}",
        (
            "conda's builds of torch before 2.3 are linked with an MKL that still has this symbol; a wheel has MKL "
            "built in."
        ),
        "install `mkl<2024.1` in the conda environment, or install torch from its wheel with pip",
    ),
    (
        re.compile(r"__?nvJitLink|cublas|cusparse|cudnn|nccl|cusolver|cufft|nvrtc", re.IGNORECASE),
        native.OTHER_LIBRARY,
        "{file} of {whose} finds an older library of CUDA than it was linked with: {symbol} is not there",
        (
            "A CUDA of the system or of LD_LIBRARY_PATH comes first, or wheels of NVIDIA have other versions than "
            "torch asks for."
        ),
        (
            "unset LD_LIBRARY_PATH, remove CUDA from the image (torch's wheels bring it), and lock the nvidia-* "
            "wheels that the locked torch asks for"
        ),
    ),
    (
        re.compile(r"^_ZN\w*(?:c10|torch|2at|at\d)|^_ZNK?(?:3c10|2at|5torch)|\bc10_|^THP|aoti_torch"),
        native.OTHER_TORCH,
        "{whose} was built for another torch than {torch}: its {file} needs {symbol}",
        "Extensions of torch fit exactly one release of it, and one build (CPU or CUDA).",
        "lock the release of {whose} that is published for this torch and build, or build it against this torch",
    ),
    (
        re.compile(r"^_?Py[A-Z]\w+|^_Py_"),
        native.OTHER_LIBRARY,
        "{file} of {whose} was built for another Python: {symbol} is not in this one",
        "A compiled module fits the Python that its file name says (cpython-311), and each Python has other functions.",
        "install {whose} for this Python again, and copy no site-packages from another one",
    ),
    (
        re.compile(r"__kmpc|^omp_|^GOMP_|^kmp_"),
        native.OTHER_LIBRARY,
        "{file} of {whose} does not find its OpenMP library ({symbol})",
        "It was linked with another OpenMP than the one that is loaded, or with none.",
        "install all from one source (wheels only, or conda only)",
    ),
    (
        re.compile(r"cxx11|^_ZNSt|^_ZSt|^_ZTV|__cxa_|GLIBCXX"),
        native.OTHER_LIBRARY,
        "{file} of {whose} was compiled with another C++ library: {symbol} is not there",
        "It was compiled elsewhere, with another compiler or the other C++ ABI (_GLIBCXX_USE_CXX11_ABI).",
        "take the published wheel of {whose}, or compile it in the base image with the flags of the locked torch",
    ),
)


def _symbol(found: re.Match[str], position: int, case: Case, raised: Raised | None) -> Iterator[Diagnosis]:
    """Judge a symbol that no loaded library has."""
    symbol, path = found["symbol"], found["file"] or ""
    whose = distribution_at(path) or (importer(raised) if raised else "") or path.rpartition("/")[2] or "a library"
    groups = {
        "symbol": symbol,
        "file": path.rpartition("/")[2] or "a compiled part",
        "whose": at_version(case, whose),
        "torch": _torch(case),
    }
    for form, rule, message, cause, fix in _INTERFACES:
        if form.search(f"{symbol} {found['version'] or ''}"):
            if rule is native.OTHER_TORCH and whose == "torchvision":
                rule = pairs.DOES_NOT_IMPORT
            why = f"the form of the symbol tells whose it is, and the file is of {whose}"
            finding = rule.finding(message.format(**groups), cause=cause.format(**groups), fix=fix.format(**groups))
            yield Diagnosis(finding, why, position)
            return
    finding = native.OTHER_LIBRARY.finding(
        "{file} of {whose} needs the symbol {symbol}, which no loaded library has".format(**groups),
        fix="install {whose} and what it needs from one source into a new environment; unset LD_LIBRARY_PATH".format(
            **groups
        ),
    )
    yield Diagnosis(finding, f"the loader names the symbol and the file of {whose}", position)
