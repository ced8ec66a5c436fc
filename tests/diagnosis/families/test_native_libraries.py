"""Native libraries: which is missing, whose it is, and what brings it."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.lines import SITE, Said, hold, raised

LOGS = {
    "driver": Said(
        raised(
            "ImportError: libcuda.so.1: cannot open shared object file: No such file or directory",
            "/app/serving/predictor.py|import pycuda.driver",
        ),
        "ST602",
        (r"NVIDIA driver", r"--gpus all"),
        (r"apt-get install",),
    ),
    "window system": Said(
        raised(
            "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
            "/app/serving/predictor.py|import cv2",
            "cv2/__init__.py|bootstrap()",
        ),
        "ST134",
        (r"opencv-python-headless", r"libgl1"),
    ),
    "of the system": Said(
        "OSError: libsndfile.so.1: cannot open shared object file: No such file or directory",
        "ST146",
        (r"libsndfile1\b",),
    ),
    "a name that ends with a digit": Said(
        "ImportError: libusb-1.0.so.0: cannot open shared object file: No such file or directory",
        "ST146",
        (r"libusb-1\.0-0\b",),
    ),
    "CUDA": Said(
        raised(
            "OSError: libcudart.so.12: cannot open shared object file: No such file or directory",
            "/app/serving/predictor.py|import torchaudio",
            "torchaudio/__init__.py|from torchaudio import _extension",
            "torch/_ops.py|ctypes.CDLL(path)",
        ),
        "ST161",
        (r"torchaudio", r"nvidia-cuda-runtime"),
        (r"torchvision", r"apt-get"),
    ),
    "torch's own": Said(
        raised(
            "ImportError: libc10.so: cannot open shared object file: No such file or directory",
            "torch_scatter/__init__.py|import",
        ),
        "ST161",
        (r"torch's own library",),
        (r"apt-get",),
    ),
    "of a wheel": Said(
        "ImportError: libopenblas64_p-r0-0cf96a72.3.23.dev.so: cannot open shared object file: No such file or "
        "directory",
        "ST162",
        (r"wheel itself",),
        (r"apt-get",),
    ),
    "of the project": Said(
        "OSError: libmyops.so: cannot open shared object file: No such file or directory", "ST162", (), (r"apt-get",)
    ),
    "extension of torch": Said(
        f"ImportError: {SITE}/flash_attn_2_cuda.cpython-311-x86_64-linux-gnu.so: undefined symbol: "
        "_ZN3c104cuda9SetDeviceEi",
        "ST161",
        (r"built for another torch",),
        (r"torchvision",),
    ),
    "torchvision": Said(
        f"ImportError: {SITE}/torchvision/_C.so: undefined symbol: _ZN3c1017RegisterOperatorsD1Ev",
        "ST122",
        (r"torchvision",),
    ),
    "MKL": Said(
        "ImportError: /opt/conda/lib/python3.10/site-packages/torch/lib/libtorch_cpu.so: undefined symbol: "
        "iJIT_NotifyEvent",
        "ST162",
        (r"mkl<2024\.1",),
        (r"torchvision",),
    ),
    "nvJitLink": Said(
        f"ImportError: {SITE}/torch/lib/../../nvidia/cusparse/lib/libcusparse.so.12: undefined symbol: "
        "__nvJitLinkComplete_12_4, version libnvJitLink.so.12",
        "ST162",
        (r"LD_LIBRARY_PATH",),
        (r"torchvision",),
    ),
    "another Python": Said(
        f"ImportError: {SITE}/lxml/etree.so: undefined symbol: _PyGen_Send", "ST162", (r"another Python", r"lxml")
    ),
    "glibc": Said(
        f"ImportError: /lib/libc.so.6: version `GLIBC_2.34' not found (required by {SITE}/decord/libdecord.so)",
        "ST146",
        (r"GLIBC_2\.34, which decord needs", r"newer base image"),
    ),
    "libstdc++": Said(
        "OSError: /opt/conda/lib/libstdc++.so.6: version `CXXABI_1.3.15' not found (required by "
        "/opt/conda/lib/libicuuc.so.75)",
        "ST146",
        (r"CXXABI_1\.3\.15", r"conda"),
    ),
    "static TLS": Said(
        f"ImportError: {SITE}/scikit_learn.libs/libgomp-d22c30c5.so.1.0.0: cannot allocate memory in static TLS block",
        "ST162",
        (r"import scikit-learn first",),
    ),
    "quoted by a library": Said(
        "[E:onnxruntime] FAIL : Failed to load library libonnxruntime_providers_cuda.so with error: "
        "libcublasLt.so.12: cannot "
        "open shared object file: No such file or directory",
        "ST161",
        (r"libcublasLt\.so\.12",),
    ),
    "a warning": Said(
        f"{SITE}/torchvision/io/image.py:13: UserWarning: Failed to load image Python extension: 'libjpeg.so.8: "
        "cannot open "
        "shared object file: No such file or directory'",
        "",
    ),
    "a symbol that the library found first does not have": Said(
        raised(
            "OSError: /opt/conda/lib/libcublas.so.11: symbol free_gemm_select version libcublasLt.so.11 not defined in "
            "file libcublasLt.so.11 with link time reference",
            "onnxruntime/capi/_ld_preload.py|_libcublas = CDLL('libcublas.so.11', mode=RTLD_GLOBAL)",
        ),
        "ST162",
        (r"another libcublasLt\.so\.11", r"LD_LIBRARY_PATH"),
        (r"search the issues",),
    ),
    "musl": Said(
        raised(
            "ImportError: Error loading shared library ld-linux-x86-64.so.2: No such file or directory (needed by "
            f"{SITE}/torch/_C.cpython-311-x86_64-linux-gnu.so)",
            "torch/__init__.py|from torch._C import *",
        ),
        "ST146",
        (r"torch was built for glibc", r"slim"),
        (r"apt-get",),
    ),
    "onnxruntime's provider": Said(
        "2026-01-01 10:00:00.1 [E:onnxruntime:Default, provider_bridge_ort.cc:2036 TryGetProviderInfo_CUDA] FAIL : Failed "
        "to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.12: cannot open shared object file: "
        "No such file or directory",
        "ST161",
        (r"libcublasLt\.so\.12, which onnxruntime-gpu asks for",),
    ),
    "a library that only old torch had": Said(
        f'File "{SITE}/detectron2/layers/deform_conv.py", line 11, in <module>\n    from detectron2 import _C\n'
        "ImportError: libtorch_cuda_cu.so: cannot open shared object file: No such file or directory",
        "ST161",
        (r"detectron2 was built for one of them",),
        (r"this torch is a CPU build",),
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_is_said_of_a_log(name: str) -> None:
    hold(LOGS[name])
