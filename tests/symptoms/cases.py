"""What is run to get each text: environments that are really installed, and in each the predictors that fail there.

A case is a module `predictor` whose `load()` is called in the environment, or a command. Every case runs in the same
folder, so that a file which an old torchvision writes is there for the new one that shall read it.
"""

from __future__ import annotations

from dataclasses import dataclass

CALL = ("python", "-c", "import predictor; predictor.load()")
NO_NETWORK = ("unshare", "--net")


@dataclass(frozen=True, slots=True)
class Case:
    """One failure.

    Attributes:
        name: of the text's file.
        rule: the code that shall be found first; "" for a run that only writes what a later case reads.
        load: the module `predictor`.
        train: a script that runs before it and writes what it loads.
        command: what is run instead of `load()`; `python` is the environment's.
        files: further files in the folder, by their names.
        seconds: after which a server that does not end by itself is ended.
        own: a module of the project that does not ship, which the translator must know of.
    """

    name: str
    rule: str
    load: str = ""
    train: str = ""
    command: tuple[str, ...] = CALL
    files: tuple[tuple[str, bytes], ...] = ()
    seconds: float = 120.0
    own: str = ""


@dataclass(frozen=True, slots=True)
class Environment:
    """What is installed, by its dependencies, and then `forced` without them, as a second install does."""

    python: str
    requirements: tuple[str, ...]
    cases: tuple[Case, ...]
    forced: tuple[str, ...] = ()


def _torch(code: str) -> str:
    return f"import torch\n\n\ndef load():\n    {code}\n"


def _image(mode: str) -> str:
    return (
        "import io\n\nfrom PIL import Image\nfrom torchvision import transforms\n\n"
        "prepare = transforms.Compose([\n    transforms.Resize(32),\n    transforms.ToTensor(),\n"
        "    transforms.Normalize([0.5] * 3, [0.5] * 3),\n])\n\n\n"
        f'def load():\n    prepare(Image.new("{mode}", (40, 40)))\n'
    )


RESNET = "import torch\nfrom torchvision.models import resnet18\n\n\n"
NET = "import torch\n\n\nclass Net(torch.nn.Linear):\n    pass\n\n\n"
WEIGHTS = 'import torch\n\n\ndef load():\n    return torch.load("weights.pt")\n'
PAGE = b"<!DOCTYPE html>\n<html><body>Sign in</body></html>\n"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d7a2146" * 8 + b"\nsize 46827520\n"
HASH = "0" * 64

SMALL = (
    Case("no_torchvision", "ST110", "import torchvision\n\n\ndef load():\n    pass\n"),
    Case("no_pillow_sklearn", "ST110", "def load():\n    import sklearn.preprocessing\n"),
    Case("module_left_out", "ST201", "import my_transforms\n", own="my_transforms.py"),
    Case("syntax_error", "ST203", "def load(:\n    pass\n"),
    Case("no_class", "ST202", "class Predictor:\n    pass\n",
         command=("python", "-c", "import predictor; predictor.DigitPredictor")),
    Case("pickled_module", "ST302", 'import pickle\n\n\ndef load():\n    pickle.load(open("transform.pkl", "rb"))\n',
         files=(("transform.pkl", b"\x80\x02ctransforms_custom\nToSquare\nq\x00)\x81q\x01."),)),
    Case("no_space", "ST143", 'def load():\n    open("small/weights.pt", "wb").write(bytes(3_000_000))\n',
         command=("unshare", "--mount", "sh", "-c", ("mkdir -p small && mount -t tmpfs -o size=1m none small && "
                  "python -c 'import predictor; predictor.load()'"))),
    Case("pip_no_space", "ST143",
         command=("unshare", "--mount", "sh", "-c", ("mkdir -p small && mount -t tmpfs -o size=1m none small && "
                  "TMPDIR=$PWD/small python -m pip install --no-cache-dir --target none numpy==2.3.5"))),
    Case("read_only", "ST510", 'def load():\n    open("frozen/cache.bin", "wb")\n',
         command=("unshare", "--mount", "sh", "-c", ("mkdir -p frozen && mount -t tmpfs -o ro none frozen && "
                  "python -c 'import predictor; predictor.load()'"))),
    Case("no_home", "ST510", 'import os\n\n\ndef load():\n    os.makedirs(os.path.expanduser("~/.cache/torch"))\n',
         command=("sh", "-c", ("PYTHONPATH=$VIRTUAL_ENV/lib/python3.11/site-packages HOME=/ exec setpriv --reuid=65534 "
                  "--clear-groups /usr/bin/python3 -c 'import predictor; predictor.load()'"))),
    Case("other_processor", "ST546", 'import subprocess\n\n\ndef load():\n    subprocess.run(["./server"])\n',
         files=(("server", bytes.fromhex("7f454c460201010000000000000000000200b70001000000") + bytes(40)),)),
    Case("other_processor_shell", "ST546", command=("bash", "-c", "./server"),
         files=(("server", bytes.fromhex("7f454c460201010000000000000000000200b70001000000") + bytes(40)),)),
    Case("no_memory", "ST543", "def load():\n    return bytearray(1 << 46)\n"),
    Case("no_egress", "ST506",
         'import urllib.request\n\n\ndef load():\n    urllib.request.urlopen("https://download.pytorch.org/models/")\n',
         command=(*NO_NETWORK, *CALL)),
    Case("base64_prefix", "ST432",
         'import base64\n\n\ndef load():\n    base64.b64decode("data:image/png;base64,iVBORw0KGgo=", validate=True)\n'),
    Case("base64_padding", "ST432", 'import base64\n\n\ndef load():\n    base64.b64decode("iVBORw0KGgoAA")\n'),
    Case("windows_path", "ST316", 'import pickle\n\n\ndef load():\n    pickle.load(open("paths.pkl", "rb"))\n',
         files=(("paths.pkl", b"\x80\x02cpathlib\nWindowsPath\nq\x00(X\x04\x00\x00\x00datatq\x01Rq\x02."),)),
    Case("set_json", "ST504", "import json\n\n\ndef load():\n    json.dumps({'predictions': {'cat', 'dog'}})\n"),
    Case("cut_pickle", "ST309", 'import pickle\n\n\ndef load():\n    pickle.load(open("cut.pkl", "rb"))\n',
         files=(("cut.pkl", b"\x80\x02X\x10\x00\x00\x00weigh"),)),
    Case("newer_pickle", "ST310", 'import pickle\n\n\ndef load():\n    pickle.load(open("newer.pkl", "rb"))\n',
         files=(("newer.pkl", b"\x80\x09N."),)),
    Case("lambda_pickled", "ST420",
         "import pickle\n\n\ndef load():\n    scale = lambda image: image / 255\n    pickle.dumps(scale)\n"),
    Case("pip_conflict", "ST120", command=("python", "-m", "pip", "install", "--dry-run", "torch==1.13.1",
                                           "torchvision==0.15.1")),
    Case("pip_conflict_small", "ST141", command=("python", "-m", "pip", "install", "--dry-run", "flask==3.0.0",
                                                 "werkzeug==2.0.0")),
    Case("uv_conflict", "ST120", command=("uv", "pip", "install", "--dry-run", "torch==2.14.1",
                                          "torchvision==0.28.0")),
    Case("uv_conflict_small", "ST141", command=("uv", "pip", "install", "--dry-run", "flask==3.0.0",
                                                "werkzeug==2.0.0")),
    Case("pip_label", "ST107", command=("python", "-m", "pip", "install", "--dry-run", "torch==2.12.1+cpu")),
    Case("uv_label", "ST107", command=("uv", "pip", "install", "--dry-run", "torch==2.12.1+cpu")),
    Case("pip_no_distribution", "ST142", command=("python", "-m", "pip", "install", "--dry-run", "pillow==99.0")),
    Case("uv_no_distribution", "ST142", command=("uv", "pip", "install", "--dry-run", "pillow==99.0")),
    Case("uv_no_usable_wheel", "ST117",
         command=("uv", "pip", "install", "--dry-run", "--no-deps", "--only-binary=:all:", "docopt==0.6.2")),
    Case("pip_hash", "ST144", files=(("r.txt", f"six==1.17.0 --hash=sha256:{HASH}\n".encode()),),
         command=("python", "-m", "pip", "install", "--dry-run", "--require-hashes", "-r", "r.txt")),
    Case("uv_hash", "ST144", files=(("r.txt", f"six==1.17.0 --hash=sha256:{HASH}\n".encode()),),
         command=("uv", "pip", "install", "--target", "none", "--require-hashes", "-r", "r.txt")),
    Case("pip_no_hash", "ST102", files=(("r.txt", b"click==8.1.8\n"),),
         command=("python", "-m", "pip", "install", "--dry-run", "--require-hashes", "-r", "r.txt")),
    Case("pip_build", "ST140", files=(("broken/setup.py", b"import numpy.distutils\n"),),
         command=("python", "-m", "pip", "install", "--target", "none", "./broken")),
    Case("uv_build", "ST140", files=(("broken/setup.py", b"import numpy.distutils\n"),),
         command=("uv", "pip", "install", "--target", "none", "./broken")),
    Case("pip_no_compiler", "ST140",
         files=(("c/setup.py", (b"from setuptools import Extension, setup\n"
                 b'setup(name="c", version="1", ext_modules=[Extension("c", ["c.c"])])\n')), ("c/c.c", b"int main;\n")),
         command=("env", "CC=no-such-compiler", "python", "-m", "pip", "install", "--target", "none", "./c")),
    Case("pip_offline", "ST145",
         command=(*NO_NETWORK, "python", "-m", "pip", "install", "--retries=1", "--no-cache-dir", "--dry-run",
                  "six==1.17.0")),
    Case("uv_offline", "ST145", command=(*NO_NETWORK, "uv", "pip", "install", "--no-cache", "--target", "none",
                                         "six==1.17.0")),
)  # fmt: skip

PYTHON_12 = (Case("pip_no_wheel", "ST121", command=("python", "-m", "pip", "install", "--dry-run", "torch==2.0.1")),)
PYTHON_13 = (
    Case("uv_no_wheel", "ST121", command=("uv", "pip", "install", "--dry-run", "torch==2.0.1")),
    Case("uv_no_wheel_vision", "ST121", command=("uv", "pip", "install", "--dry-run", "torchvision==0.19.1")),
)

PILLOW = (
    Case("antialias_constant", "ST415",
         "from PIL import Image\n\n\ndef load():\n    return Image.new('L', (4, 4)).resize((2, 2), Image.ANTIALIAS)\n"),
    Case("pillow_version", "ST131", "from PIL import PILLOW_VERSION\n"),
    Case("no_image", "ST432",
         "import io\n\nfrom PIL import Image\n\n\ndef load():\n    Image.open(io.BytesIO(b'not an image'))\n"),
    Case("cut_image", "ST433",
         "import io\n\nfrom PIL import Image\n\n\ndef load():\n    out = io.BytesIO()\n"
         "    Image.effect_noise((64, 64), 50).save(out, 'JPEG')\n"
         "    Image.open(io.BytesIO(out.getvalue()[:900])).load()\n"),
    Case("huge_image", "ST433",
         "import io\n\nfrom PIL import Image\n\n\ndef load():\n    out = io.BytesIO()\n"
         "    Image.new('1', (20_000, 20_000)).save(out, 'PNG')\n    Image.open(io.BytesIO(out.getvalue()))\n"),
    Case("numpy_float_json", "ST521",
         "import json\n\nimport numpy\n\n\ndef load():\n    json.dumps({'predictions': [numpy.float32(0.5)]})\n"),
    Case("numpy_array_json", "ST521",
         "import json\n\nimport numpy\n\n\ndef load():\n    json.dumps({'predictions': numpy.zeros(2)})\n"),
    Case("write_numpy2", "",
         train="import pickle\nimport numpy\npickle.dump(numpy.arange(3), open('mean.pkl', 'wb'))\n",
         command=("true",)),
)  # fmt: skip
OLD_PILLOW = (
    Case("cut_image_old", "ST433", PILLOW[3].load),
    Case("numpy2_pickle", "ST315", 'import pickle\n\n\ndef load():\n    pickle.load(open("mean.pkl", "rb"))\n'),
)
OPENCV = (
    Case("no_libgl", "ST134", "import cv2\n\n\ndef load():\n    pass\n",
         command=("unshare", "--mount", "sh", "-c",
                  ("d=/usr/lib/x86_64-linux-gnu; t=$(mktemp -d); mount -t tmpfs none $t; mkdir $t/up $t/work; "
                  "mount -t overlay -o lowerdir=$d,upperdir=$t/up,workdir=$t/work none $d; rm -f $d/libGL.so*; "
                  "python -c 'import predictor; predictor.load()'"))),
)  # fmt: skip
GUNICORN_APP = (
    "import time\n\n\ndef app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'{}']\n"
)
SERVERS = (
    Case("worker_timeout", "ST542", GUNICORN_APP.replace("start_response(", "time.sleep(20)\n    start_response("),
         seconds=60.0,
         command=("sh", "-c", ("python -m gunicorn --timeout=2 --bind=127.0.0.1:8191 predictor:app & sleep 4; "
                  "python -c 'import urllib.request as u; u.urlopen(\"http://127.0.0.1:8191/\")' 2>/dev/null; kill $!; "
                  "wait"))),
    Case("gunicorn_port", "ST544", GUNICORN_APP, seconds=20.0,
         command=("sh", "-c", ("python -m http.server --bind 127.0.0.1 8192 2>/dev/null & sleep 2; "
                  "python -m gunicorn --bind=127.0.0.1:8192 predictor:app; kill $!"))),
    Case("gunicorn_main", "ST301", "import pickle\n\npickle.load(open('net.pkl', 'rb'))\n", seconds=20.0,
         train="import pickle\n\n\nclass Net:\n    pass\n\n\npickle.dump(Net(), open('net.pkl', 'wb'))\n",
         command=("sh", "-c", "gunicorn --bind=127.0.0.1:8193 predictor:app")),
    Case("gunicorn_no_module", "ST110", "import torchvision\n", seconds=20.0,
         command=("python", "-m", "gunicorn", "--bind=127.0.0.1:8194", "predictor:app")),
    Case("uvicorn_port", "ST544", "import starlette.applications\n\napp = starlette.applications.Starlette()\n",
         seconds=20.0, command=("sh", "-c", ("python -m http.server --bind 127.0.0.1 8195 2>/dev/null & sleep 2; "
                                "python -m uvicorn --host 127.0.0.1 --port 8195 predictor:app; kill $!"))),
    Case("route_not_found", "ST550", "import starlette.applications\n\napp = starlette.applications.Starlette()\n",
         seconds=8.0, command=("sh", "-c", ("python -m uvicorn --host 127.0.0.1 --port 8196 predictor:app & sleep 4; "
                               "python -c 'import urllib.request as u; "
                               'u.urlopen("http://127.0.0.1:8196/v1/endpoints/4241/deployedModels/8362")\' '
                               "2>/dev/null; kill $!; wait"))),
    Case("not_a_number", "ST540",
         "from starlette.responses import JSONResponse\n\n\ndef load():\n"
         "    JSONResponse({'predictions': [float('nan')]})\n"),
)  # fmt: skip
CPR = (
    Case("cpr_json", "ST541",
         "from google.cloud.aiplatform.prediction.serializer import DefaultSerializer\n\n\ndef load():\n"
         "    DefaultSerializer.serialize({'predictions': [{1}]}, accept='application/json')\n"),
    Case("cpr_content_type", "ST541",
         "from google.cloud.aiplatform.prediction.serializer import DefaultSerializer\n\n\ndef load():\n"
         "    DefaultSerializer.deserialize(b'', content_type='image/png')\n"),
    Case("cpr_no_slash", "ST547",
         "from google.cloud.aiplatform.utils import prediction_utils\n\n\ndef load():\n"
         "    prediction_utils.download_model_artifacts('gs://bucket')\n"),
    Case("cpr_no_artifacts", "ST547",
         "from google.cloud.aiplatform.utils import prediction_utils\n\n\ndef load():\n"
         "    prediction_utils.download_model_artifacts('')\n"),
)  # fmt: skip
SPLIT = (
    Case(
        "split_not_100",
        "ST744",
        "from google.cloud import aiplatform\n\n\ndef load():\n"
        "    aiplatform.Endpoint._validate_deploy_args(\n        min_replica_count=1, max_replica_count=1,"
        " accelerator_type=None, deployed_model_display_name=None,\n        traffic_split={'0': 50}, "
        "traffic_percentage=0, deployment_resource_pool=None, required_replica_count=None)\n",
    ),
)

TORCH = (
    Case("no_driver", "ST601", _torch('return torch.zeros(1, device="cuda")')),
    Case("weights_only_model", "ST304", WEIGHTS,
         train=f"{RESNET}torch.save(resnet18(), 'weights.pt')\n"),
    Case("weights_only_compose", "ST304", WEIGHTS,
         train="import torch\nfrom torchvision import transforms\n"
               "torch.save(transforms.Compose([transforms.ToTensor()]), 'weights.pt')\n"),
    Case("weights_only_namespace", "ST304", WEIGHTS,
         train="import argparse\nimport torch\ntorch.save({'args': argparse.Namespace(lr=1)}, 'weights.pt')\n"),
    Case("weights_only_numpy", "ST304", WEIGHTS,
         train="import numpy\nimport torch\ntorch.save({'loss': numpy.float64(1)}, 'weights.pt')\n"),
    Case("weights_only_main", "ST301", WEIGHTS, train=f"{NET}torch.save(Net(1, 1), 'weights.pt')\n"),
    Case("whole_model_main", "ST301", WEIGHTS.replace('pt"', 'pt", weights_only=False'),
         train=f"{NET}torch.save(Net(1, 1), 'weights.pt')\n"),
    Case("cut_checkpoint", "ST303", WEIGHTS,
         train="import torch\ntorch.save(torch.zeros(9999), 'weights.pt')\n"
               "data = open('weights.pt', 'rb').read()\nopen('weights.pt', 'wb').write(data[:20_000])\n"),
    Case("lfs_pointer", "ST303", WEIGHTS, files=(("weights.pt", POINTER),)),
    Case("lfs_pointer_unsafe", "ST303", WEIGHTS.replace('pt"', 'pt", weights_only=False'),
         files=(("weights.pt", POINTER),)),
    Case("html_page", "ST303", WEIGHTS, files=(("weights.pt", PAGE),)),
    Case("html_page_newline", "ST303", WEIGHTS, files=(("weights.pt", b"\n" + PAGE),)),
    Case("empty_checkpoint", "ST303", WEIGHTS, files=(("weights.pt", b""),)),
    Case("cuda_checkpoint", "ST601", WEIGHTS,
         train="import io\nimport re\nimport torch\nimport zipfile\ntorch.save(torch.zeros(9), 'cpu.pt')\n"
               "with zipfile.ZipFile('cpu.pt') as old, zipfile.ZipFile('weights.pt', 'w') as new:\n"
               "    for item in old.infolist():\n        data = old.read(item)\n"
               "        if item.filename.endswith('data.pkl'):\n"
               "            data = data.replace(b'X\\x03\\x00\\x00\\x00cpu', b'X\\x06\\x00\\x00\\x00cuda:0')\n"
               "        new.writestr(item.filename, data)\n"),
    Case("module_prefix", "ST308",
         f"{RESNET}def load():\n    resnet18().load_state_dict(torch.load('weights.pt'))\n",
         train=f"{RESNET}torch.save(torch.nn.DataParallel(resnet18()).state_dict(), 'weights.pt')\n"),
    Case("compiled_prefix", "ST308",
         "import torch\n\n\ndef load():\n    torch.nn.Linear(1, 1).load_state_dict(torch.load('weights.pt'))\n",
         train="import torch\ntorch.save(torch.compile(torch.nn.Linear(1, 1)).state_dict(), 'weights.pt')\n"),
    Case("other_head", "ST305",
         f"{RESNET}def load():\n    resnet18().load_state_dict(torch.load('weights.pt'))\n",
         train=f"{RESNET}torch.save(resnet18(num_classes=10).state_dict(), 'weights.pt')\n"),
    Case("other_model", "ST305",
         f"{RESNET}def load():\n    resnet18().load_state_dict(torch.load('weights.pt'))\n",
         train="import torch\ntorch.save(torch.nn.Linear(1, 1).state_dict(), 'weights.pt')\n"),
    Case("dict_as_model", "ST206", "import torch\n\n\ndef load():\n    torch.load('weights.pt').eval()\n",
         train="import torch\ntorch.save({'fc': torch.zeros(1)}, 'weights.pt')\n"),
    Case("state_dict_as_model", "ST206", "import torch\n\n\ndef load():\n    torch.load('weights.pt').eval()\n",
         train="import torch\ntorch.save(torch.nn.Linear(1, 1).state_dict(), 'weights.pt')\n"),
    Case("script_by_load", "ST314", WEIGHTS,
         train="import torch\ntorch.jit.script(torch.nn.Linear(1, 1)).save('weights.pt')\n"),
    Case("state_dict_by_jit", "ST314", "import torch\n\n\ndef load():\n    torch.jit.load('weights.pt')\n",
         train="import torch\ntorch.save(torch.nn.Linear(1, 1).state_dict(), 'weights.pt')\n"),
    Case("mode_rgba", "ST430", _image("RGBA")),
    Case("mode_cmyk", "ST430", _image("CMYK")),
    Case("mode_la", "ST430", _image("LA")),
    Case("mode_l", "ST430", _image("L")),
    Case("mode_p", "ST430", _image("P")),
    Case("mode_1", "ST430", _image("1")),
    Case("mode_i16", "ST430", _image("I;16")),
    Case("no_batch", "ST431", f"{RESNET}def load():\n    resnet18().eval()(torch.zeros(3, 224, 224))\n"),
    Case("channels_last", "ST431", f"{RESNET}def load():\n    resnet18().eval()(torch.zeros(1, 224, 224, 3))\n"),
    Case("bytes_input", "ST431",
         f"{RESNET}def load():\n    resnet18().eval()(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))\n"),
    Case("double_input", "ST431",
         "import torch\n\n\ndef load():\n    torch.nn.Linear(2, 2)(torch.zeros(1, 2, dtype=torch.float64))\n"),
    Case("flat_input", "ST431", "import torch\n\n\ndef load():\n    torch.nn.Linear(512, 10)(torch.zeros(1, 2048))\n"),
    Case("unequal_stack", "ST431",
         "import torch\nfrom PIL import Image\nfrom torchvision import transforms\n\n"
         "prepare = transforms.Compose([transforms.Resize(224), transforms.ToTensor()])\n\n\n"
         "def load():\n    torch.stack([prepare(Image.new('RGB', size)) for size in ((300, 224), (280, 224))])\n"),
    Case("array_to_resize", "ST432",
         "import numpy\nfrom torchvision import transforms\n\n\ndef load():\n"
         "    transforms.Resize(8)(numpy.zeros((9, 9, 3), 'uint8'))\n"),
    Case("text_to_tensor", "ST432",
         "from torchvision import transforms\n\n\ndef load():\n    transforms.ToTensor()('/9j/4AAQ')\n"),
    Case("gradients", "ST523", "import torch\n\n\ndef load():\n    torch.nn.Linear(1, 1)(torch.zeros(1, 1)).numpy()\n"),
    Case("training_mode", "ST524", f"{RESNET}def load():\n    resnet18()(torch.zeros(1, 3, 32, 32))\n"),
    Case("tensor_json", "ST521",
         "import json\n\nimport torch\n\n\ndef load():\n    json.dumps({'predictions': torch.zeros(1)})\n"),
    Case("functional_tensor", "ST411",
         "from torchvision.transforms.functional_tensor import rgb_to_grayscale\n"),
    Case("models_utils", "ST170",
         "from torchvision.models.utils import load_state_dict_from_url\n"),
    Case("scale", "ST419", "from torchvision import transforms\n\nprepare = transforms.Scale(224)\n"),
    Case("resample", "ST419",
         "from torchvision import transforms\n\nprepare = transforms.RandomRotation(5, resample=2)\n"),
    Case("read_video", "ST418", "from torchvision.io import read_video\n"),
    Case("datapoints", "ST413", "from torchvision import datapoints\n"),
    Case("download", "ST506",
         "from torchvision.models import resnet18\n\n\ndef load():\n    resnet18(weights='DEFAULT')\n",
         command=("env", "TORCH_HOME=.", *NO_NETWORK, *CALL)),
    Case("hub", "ST506", "import torch\n\n\ndef load():\n    torch.hub.load('pytorch/vision', 'resnet18')\n",
         command=("env", "TORCH_HOME=.", *NO_NETWORK, *CALL)),
    Case("torch_no_memory", "ST543", "import torch\n\n\ndef load():\n    torch.zeros(1 << 44)\n"),
    Case("shared_memory", "ST545",
         "import torch\n\n\nclass Many(torch.utils.data.Dataset):\n    def __len__(self):\n        return 8\n\n"
         "    def __getitem__(self, index):\n        return torch.zeros(1 << 20)\n\n\n"
         "def load():\n    for _ in torch.utils.data.DataLoader(Many(), num_workers=1):\n        pass\n",
         command=("unshare", "--mount", "sh", "-c", ("mount -t tmpfs -o size=1m none /dev/shm && "
                  "python -c 'import predictor; predictor.load()'"))),
    Case("old_resize", "ST311",
         "import torch\nfrom PIL import Image\n\n\ndef load():\n"
         "    torch.load('old_resize.pt', weights_only=False)(Image.new('RGB', (9, 9)))\n"),
    Case("old_crop", "ST311",
         "import torch\nfrom PIL import Image\n\n\ndef load():\n"
         "    torch.load('old_crop.pt', weights_only=False)(Image.new('RGB', (99, 99)))\n"),
    Case("oldest_resize", "ST311",
         "import pickle\n\nfrom PIL import Image\n\n\ndef load():\n"
         "    pickle.load(open('oldest_resize.pkl', 'rb'))(Image.new('RGB', (9, 9)))\n"),
    Case("old_gelu", "ST312",
         "import torch\n\n\ndef load():\n    torch.load('old_gelu.pt', weights_only=False)(torch.zeros(1))\n"),
    Case("old_attention", "ST313",
         "import torch\n\n\ndef load():\n    model = torch.load('old_attention.pt', weights_only=False)\n"
         "    model(*[torch.zeros(1, 1, 2)] * 3)\n"),
    Case("moved_class", "ST313",
         "import torch\n\n\ndef load():\n    torch.load('old_mobile.pt', weights_only=False)\n"),
)  # fmt: skip
OLD_TORCH = Case(
    "write_old", "", command=("true",),
    train="import torch\nfrom torchvision import transforms\nfrom torchvision.models.mobilenet import ConvBNReLU\n"
          "torch.save(transforms.Resize(4), 'old_resize.pt')\n"
          "torch.save(transforms.RandomResizedCrop(4), 'old_crop.pt')\n"
          "torch.save(torch.nn.GELU(), 'old_gelu.pt')\n"
          "torch.save(torch.nn.MultiheadAttention(2, 1), 'old_attention.pt')\n"
          "torch.save(ConvBNReLU(3, 3), 'old_mobile.pt')\n",
)  # fmt: skip
OLDEST_TORCH = (Case("oldest_pillow", "ST131", "import torchvision\n"),)
OLDEST_WRITES = Case(
    "write_oldest", "", command=("true",),
    train="import pickle\nfrom torchvision import transforms\n"
          "pickle.dump(transforms.Resize(4), open('oldest_resize.pkl', 'wb'), 2)\n",
)  # fmt: skip
IMPORTS = "import torchvision\n\n\ndef load():\n    pass\n"
REVEALED = (
    "import glob\nimport importlib.util\n\nimport torch\n\n\ndef load():\n"
    "    (folder,) = importlib.util.find_spec('torchvision').submodule_search_locations\n"
    "    torch.ops.load_library(glob.glob(folder + '/_C*.so')[0])\n"
)
OPERATOR = (
    "import torch\nfrom torchvision import ops\n\n\ndef load():\n    ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)\n"
)

ENVIRONMENTS = (
    Environment("3.11", ("pip",), SMALL),
    Environment("3.12", ("pip",), PYTHON_12),
    Environment("3.13", (), PYTHON_13),
    Environment("3.11", ("pillow==13.0.0", "numpy==2.3.5"), PILLOW),
    Environment("3.11", ("pillow==9.5.0", "numpy==1.24.4"), OLD_PILLOW),
    Environment("3.11", ("opencv-python==4.11.0.86",), OPENCV),
    Environment("3.11", ("gunicorn==23.0.0", "uvicorn==0.38.0", "starlette==0.50.0", "setuptools"), SERVERS),
    Environment("3.11", ("google-cloud-aiplatform[prediction]==1.120.0",), (*CPR, *SPLIT)),
    Environment("3.8", ("torch==1.7.1", "torchvision==0.8.2", "numpy<1.25"), (OLD_TORCH,)),
    Environment("3.7", ("torch==1.3.0", "torchvision==0.4.1", "pillow==6.2.1"), (OLDEST_WRITES,)),
    Environment("3.7", ("torch==1.3.0", "torchvision==0.4.1", "pillow==9.5.0"), OLDEST_TORCH),
    Environment("3.11", ("torch==2.15.0", "torchvision==0.29.2", "numpy==2.3.5"), TORCH),
    Environment("3.11", ("torch==2.14.1",), (
        Case("pair_symbol", "ST122", IMPORTS), Case("pair_symbol_shown", "ST122", REVEALED),
    ), ("torchvision==0.28.0", "pillow", "numpy")),
    Environment("3.11", ("torch==2.14.1",), (
        Case("pair_cudart", "ST122", IMPORTS), Case("pair_cudart_shown", "ST122", REVEALED),
    ), ("torchvision==0.25.0", "pillow", "numpy")),
    Environment("3.11", ("torch==2.14.1",), (Case("pair_late", "ST122", OPERATOR),),
                ("torchvision==0.16.2", "pillow", "numpy", "requests", "urllib3", "idna", "certifi",
                 "charset-normalizer")),
    Environment("3.11", ("torch==2.13.0+cpu", "numpy==2.3.5"), (
        Case("flavour", "ST122", IMPORTS), Case("flavour_shown", "ST122", REVEALED),
        Case("cpu_build", "ST601", "import torch\n\n\ndef load():\n    torch.zeros(1).cuda()\n"),
    ), ("torchvision==0.28.0", "pillow")),
    Environment("3.11", ("torch==2.2.2", "torchvision==0.17.2", "numpy==2.3.5"), (
        Case("numpy_2", "ST132",
             "import torch\n\n\ndef load():\n    return torch.zeros(1).numpy()\n"),
        Case("numpy_2_image", "ST132",
             "from PIL import Image\nfrom torchvision import transforms\n\n\ndef load():\n"
             "    transforms.ToTensor()(Image.new('RGB', (4, 4)))\n"),
    )),
)  # fmt: skip
