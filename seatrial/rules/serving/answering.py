"""Families 4, 5 and 6 while a server runs: images that do not suit, answers that cannot be sent, servers that stop.

Nothing here is decided from facts: the texts of torch, Pillow and the servers say what happened to one request.
"""

from __future__ import annotations

import re

from seatrial.rules.deployment.cloud import EXITED_SOURCE, NEVER_READY, SERVER_EXITED
from seatrial.rules.rule import Rule, Symptom

CONTAINER = (
    "https://docs.cloud.google.com/gemini-enterprise-agent-platform/machine-learning/predictions/"
    "custom-container-requirements"
)
SDK = "https://github.com/googleapis/python-aiplatform/blob/main/google/cloud/aiplatform"
MODES = "https://pillow.readthedocs.io/en/stable/handbook/concepts.html#modes"

MODE = Rule(
    code="ST430",
    title="an image has another mode than the transforms are made for",
    explanation=(
        "Transforms that end in a Normalize of three channels take RGB only. A PNG with transparency has four "
        "channels, a CMYK JPEG too, a grey or palette image has one, a 16-bit image no bytes at all. Clients send all "
        "of these."
    ),
    fix='convert every image as training did, by `serving.image.mode = "RGB"` or `.convert("RGB")` after opening it',
    cloud="The size of tensor a (4) must match the size of tensor b (3) at non-singleton dimension 0",
    sources=(MODES, "https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.Normalize.html"),
    symptoms=(
        Symptom(
            re.compile(
                r"size of tensor a \((?P<a>\d)\) must match the size of tensor b \((?P<b>\d)\) at non-singleton"
            ),
            "an image with {a} channels meets a transform for {b}; set serving.image.mode",
        ),
        Symptom(
            re.compile(r"output with shape (?P<shape>\[1, [\d, ]{1,40}\]) doesn't match the broadcast shape"),
            "a grey image meets a transform for three channels; set serving.image.mode",
        ),
        Symptom(
            re.compile(r"Input tensor should be a float tensor\. Got torch\.(?P<type>\w{1,20})"),
            "an image of {type} numbers meets a Normalize; set serving.image.mode",
        ),
    ),
)
SHAPE = Rule(
    code="ST431",
    title="the model gets a tensor of another shape or type than it was built for",
    explanation=(
        "A model takes batches: four dimensions, channels before height and width, floating-point numbers. An image "
        "without a batch dimension, an array of Pillow's order or unscaled bytes is refused by its first layer, and "
        "images of different sizes cannot be stacked to one batch."
    ),
    fix="prepare an image as training did (Resize to two numbers or a crop, ToTensor), then stack images to one batch",
    cloud="RuntimeError: Given groups=1, weight of size [64, 3, 7, 7], expected input[1, 224, 224, 3] …",
    sources=("https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html",),
    symptoms=(
        Symptom(
            re.compile(
                r"Given groups=\d+, weight of size (?P<weight>\[[\d, ]{1,60}\]), "
                r"expected input(?P<got>\[[\d, ]{1,60}\])"
            ),
            "a layer with weights {weight} gets an input {got}",
        ),
        Symptom(
            re.compile(
                r"expected (?P<want>\d(?:D or \d)*)D(?: \(unbatched\) or \dD \(batched\))? input \(got (?P<got>\d)D"
            ),
            "a layer for {want} dimensions gets an input of {got}",
        ),
        Symptom(
            re.compile(r"mat1 and mat2 shapes cannot be multiplied \((?P<a>\d+x\d+) and (?P<b>\d+x\d+)\)"),
            "a linear layer of {b} gets an input of {a}",
        ),
        Symptom(
            re.compile(r"expected scalar type (?P<want>\w{1,20}) but found (?P<got>\w{1,20})"),
            "a layer for {want} gets numbers of type {got}",
        ),
        Symptom(
            re.compile(r"mat1 and mat2 must have the same dtype, but got (?P<a>\w{1,20}) and (?P<b>\w{1,20})"),
            "a layer of {b} gets numbers of type {a}",
        ),
        Symptom(
            re.compile(r"Input type \((?P<got>(?:unsigned char|double|struct \S+|(?:long )?long|int))\) and bias type"),
            "a layer gets numbers of type {got}",
        ),
        Symptom(
            re.compile(r"stack expects each tensor to be equal size, but got (?P<a>\[[\d, ]{1,60}\])"),
            "images of different sizes cannot be one batch: the first is {a}",
        ),
    ),
)
NO_IMAGE = Rule(
    code="ST432",
    title="what was sent is no image",
    explanation=(
        "The bytes are no format that Pillow knows, or never became bytes: base64 with a `data:image/…` prefix, in "
        "the alphabet for URLs or without its padding, or text where an image is expected. One such instance must be "
        "refused by itself, not end the whole request."
    ),
    fix="decode base64 strictly and answer 400 for the instance, as seatrial's runtime does",
    cloud="PIL.UnidentifiedImageError: cannot identify image file",
    sources=(
        "https://pillow.readthedocs.io/en/stable/reference/Image.html#PIL.Image.open",
        "https://docs.python.org/3/library/base64.html#base64.b64decode",
    ),
    symptoms=(
        Symptom(
            re.compile(r"UnidentifiedImageError: cannot identify image file"), "the bytes of an image are no image"
        ),
        Symptom(re.compile(r"binascii\.Error: (?P<why>[^\n]{1,200})"), "an image is no base64: {why}"),
        Symptom(
            re.compile(r"pic should be PIL Image or ndarray\. Got <class '(?P<type>[\w.]{1,80})'>"),
            "a transform for images gets a {type}",
        ),
        Symptom(
            re.compile(r"TypeError: Unexpected type <class '(?P<type>[\w.]{1,80})'>"),
            "a transform for images gets a {type}",
        ),
        Symptom(
            re.compile(r"img should be PIL Image\. Got <class '(?P<type>[\w.]{1,80})'>"),
            "a transform for images gets a {type}",
        ),
    ),
)
BROKEN_IMAGE = Rule(
    code="ST433",
    title="an image is cut off or too large",
    explanation=(
        "Pillow opens an image by its first bytes and reads the rest when its pixels are needed: an upload that broke "
        "off fails only then. An image of more than 179 million pixels is refused as an attack on memory."
    ),
    fix="answer 400 for the instance, as seatrial's runtime does; never set LOAD_TRUNCATED_IMAGES on a server",
    cloud="OSError: image file is truncated (… bytes not processed)",
    sources=(
        "https://pillow.readthedocs.io/en/stable/reference/Image.html#PIL.Image.open",
        "https://pillow.readthedocs.io/en/stable/reference/ImageFile.html",
    ),
    symptoms=(
        Symptom(
            re.compile(r"image file is truncated|OSError: Truncated File Read|broken data stream when reading image"),
            "an image is cut off",
        ),
        Symptom(
            re.compile(r"DecompressionBombError: Image size \((?P<pixels>\d+) pixels\)"),
            "an image of {pixels} pixels is refused",
        ),
    ),
)
NOT_FINITE = Rule(
    code="ST540",
    title="an answer holds NaN or infinity",
    explanation=(
        "JSON has no such numbers. A server that is strict fails; one that is not sends `NaN`, which the client "
        "cannot parse. It comes from a division by zero in the preparation, a logarithm of zero, or half precision."
    ),
    fix="find where the number arises (`torch.isfinite`), and answer with a number or null",
    cloud="ValueError: Out of range float values are not JSON compliant",
    sources=("https://www.rfc-editor.org/rfc/rfc8259#section-6", "https://docs.python.org/3/library/json.html"),
    symptoms=(
        Symptom(re.compile(r"Out of range float values are not JSON compliant"), "an answer holds NaN or infinity"),
    ),
)
CPR_400 = Rule(
    code="ST541",
    title="Google's prediction routine answers 400 for a fault of the server",
    explanation=(
        "The serializer of custom prediction routines turns every TypeError of its own into an answer of status 400, "
        "as if the client were at fault. The answer is not JSON (a numpy number, a tensor), or the request has "
        "another content type than application/json."
    ),
    fix="give plain lists and numbers (`.tolist()`, `.item()`), and send `Content-Type: application/json`",
    cloud="400 JSON serialization failed for the prediction result: …",
    sources=(f"{SDK}/prediction/serializer.py",),
    symptoms=(
        Symptom(
            re.compile(r"JSON serialization failed for the prediction result"), "the answer of the routine is no JSON"
        ),
        Symptom(
            re.compile(r"Unsupported content type of the request: (?P<type>\S{1,100})"),
            "a request has the content type {type}, and the routine takes application/json",
        ),
        Symptom(
            re.compile(r"Unsupported accept of the response: (?P<type>\S{1,100})"),
            "an answer of type {type} is asked for, and the routine gives application/json",
        ),
    ),
)
WORKER_KILLED = Rule(
    code="ST542",
    title="the server's worker was killed for taking too long",
    explanation=(
        "gunicorn ends a worker that has not reported for its `--timeout`, 30 seconds by default. A worker that "
        "loads the model with its first request, or that predicts longer than that, is killed in the middle."
    ),
    fix="load before the server is healthy and raise `--timeout`, or serve with seatrial's runtime",
    cloud="[CRITICAL] WORKER TIMEOUT (pid:…)",
    sources=("https://docs.gunicorn.org/en/stable/settings.html#timeout",),
    symptoms=(Symptom(re.compile(r"\bWORKER TIMEOUT\b"), "gunicorn killed a worker that took too long"),),
)
NO_MEMORY = Rule(
    code="ST543",
    title="memory ran out",
    explanation=(
        "The process asked for more memory than the machine or the container has: a model that every worker loads "
        "once, a batch without a limit, an image unpacked to its full size. The kernel ends such a process without a "
        "traceback."
    ),
    fix="serve with one worker, limit the batch, or take a machine type with more memory",
    cloud=SERVER_EXITED,
    sources=("https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/", EXITED_SOURCE),
    symptoms=(
        Symptom(
            re.compile(r"DefaultCPUAllocator: can't allocate memory: you tried to allocate (?P<bytes>\d+) bytes"),
            "torch asked for {bytes} bytes of memory and did not get them",
        ),
        Symptom(
            re.compile(r"Perhaps out of memory\?|(?<!reason: )\bOOMKilled\b|Out of memory: Killed process"),
            "memory ran out",
        ),
        Symptom(re.compile(r"(?m)^(?:numpy[\w.]{0,60}\._ArrayMemoryError|MemoryError)\b"), "memory ran out"),
    ),
)
PORT_TAKEN = Rule(
    code="ST544",
    title="the port is taken",
    explanation=(
        "Another process listens on the port already: a second server in the same container, or one that was left "
        "running. The server cannot start and the health route is answered by the other, or by nobody."
    ),
    fix="start one server in a container, on the port of `AIP_HTTP_PORT`",
    cloud=NEVER_READY,
    sources=(CONTAINER,),
    symptoms=(
        Symptom(
            re.compile(r"Connection in use: \('(?P<host>[^'\n]{0,80})', (?P<port>\d{1,5})\)"),
            "the port {port} is taken",
        ),
        Symptom(
            re.compile(
                r"attempt(?:ing)? to bind on address \('(?P<host>[^'\n]{0,80})', (?P<port>\d{1,5})[^\n]{0,60}in use"
            ),
            "the port {port} is taken",
        ),
        Symptom(re.compile(r"\[Errno 98\] Address already in use"), "the port is taken"),
    ),
)
SHARED_MEMORY = Rule(
    code="ST545",
    title="the container has too little shared memory",
    explanation=(
        "Workers of a DataLoader hand over tensors in /dev/shm, of which a container has 64 MB unless told otherwise. "
        "A server needs no such workers: it has one image at a time, not a data set."
    ),
    fix="set `num_workers=0` in serving, or give the container more by `serving_container_shared_memory_size_mb`",
    cloud="RuntimeError: DataLoader worker (pid …) is killed by signal: Bus error.",
    sources=(
        "https://github.com/googleapis/python-aiplatform/issues/3434",
        "https://docs.pytorch.org/docs/stable/multiprocessing.html",
    ),
    symptoms=(
        Symptom(
            re.compile(
                r"insufficient shared memory \(shm\)|killed by signal: Bus error|"
                r"unable to allocate shared memory\(shm\)|unable to write to file </torch_"
            ),
            "the container's shared memory is too small for a DataLoader's workers",
        ),
    ),
)
OTHER_PROCESSOR = Rule(
    code="ST546",
    title="the image is for another kind of processor",
    explanation=(
        "Programs in the image are built for another processor than the machine has. An image that was built on an "
        "ARM machine, such as a Mac or an ARM runner, does not start on Vertex AI, whose machines are x86-64."
    ),
    fix="build with `--platform linux/amd64`, on an x86-64 machine where packages are compiled",
    cloud="exec /usr/local/bin/python: exec format error",
    sources=("https://docs.docker.com/build/building/multi-platform/", f"{SDK}/prediction/local_model.py"),
    symptoms=(Symptom(re.compile(r"[Ee]xec format error"), "a program in the image is for another processor"),),
)
NO_DOWNLOAD = Rule(
    code="ST547",
    title="Google's prediction routine cannot fetch the artifacts",
    explanation=(
        "`download_model_artifacts` takes `gs://bucket/folder/`. A bucket without a slash after its name makes it "
        "fail on a pattern that does not match, and a model without artifacts gives it an empty text. What it finds "
        "lands in the current folder, and `gs://b/model` also fetches `gs://b/model2/…`."
    ),
    fix="give an artifact URI that ends in `/`, and read from the image where `AIP_STORAGE_URI` is empty",
    cloud="AttributeError: 'NoneType' object has no attribute 'groups'",
    sources=(f"{SDK}/utils/prediction_utils.py", CONTAINER),
    symptoms=(
        Symptom(
            re.compile(r"(?s)download_model_artifacts.{1,2000}?'NoneType' object has no attribute 'groups'"),
            "the artifact URI is a bucket without a `/` after its name",
        ),
        Symptom(
            re.compile(r"(?s)download_model_artifacts.{1,2000}?No such file or directory: ''"),
            "the artifact URI is empty",
        ),
    ),
)
TORCHSERVE = Rule(
    code="ST548",
    title="TorchServe on Vertex AI refuses the model or its answer",
    explanation=(
        "Vertex AI's prebuilt PyTorch images run TorchServe. They take one archive with the name model.mar, wrap each "
        "instance as `data`, and want a list with one answer for each; TorchServe itself gets no fixes any more."
    ),
    fix="serve with a container of one's own: `seatrial image build`",
    cloud='503 InternalServerException "Invalid model predict output"',
    sources=("https://github.com/pytorch/serve/issues/1256", "https://github.com/pytorch/serve/issues/3396"),
    symptoms=(
        Symptom(re.compile(r"Invalid model predict output"), "TorchServe wants one answer for each instance"),
        Symptom(re.compile(r"\bModelNotFoundException\b"), "TorchServe has no model: the archive must be model.mar"),
        Symptom(
            re.compile(r"does not contain any supported model files\. When using a prebuilt serving image"),
            "the artifacts hold no model.mar, which a prebuilt image asks for",
        ),
    ),
)
NO_ROUTE = Rule(
    code="ST550",
    title="the server has no route where Vertex AI asks",
    explanation=(
        "A model that was uploaded without routes is asked at `/v1/endpoints/…/deployedModels/…`, and at the same "
        "with `:predict`. A server with fixed routes answers 404 there, and the deployment gives up."
    ),
    fix="read the routes from `AIP_HEALTH_ROUTE` and `AIP_PREDICT_ROUTE`, as seatrial's runtime does",
    cloud=NEVER_READY,
    sources=(CONTAINER,),
    symptoms=(
        Symptom(
            re.compile(
                r"(?P<method>GET|POST) (?P<route>/v1/endpoints/[\w-]{1,80}/deployedModels/[\w:-]{1,80})"
                r"[^\n]{0,40} 404\b"
            ),
            "{route} is asked and answered with 404",
        ),
    ),
)
GPU_MEMORY = Rule(
    code="ST620",
    title="the GPU's memory ran out",
    explanation=(
        "The model and the batch do not fit into the GPU, or several workers hold the model at once: Google's custom "
        "prediction routine starts one worker for each processor core, and each loads it."
    ),
    fix="serve with one worker (there `VERTEX_CPR_WEB_CONCURRENCY=1`), limit the batch, or take a larger GPU",
    cloud="torch.OutOfMemoryError: CUDA out of memory.",
    sources=(f"{SDK}/prediction/model_server.py", "https://docs.pytorch.org/docs/stable/notes/cuda.html"),
    symptoms=(
        Symptom(
            re.compile(r"CUDA out of memory\. Tried to allocate (?P<size>[\d.]{1,12} \w{2,4})"),
            "the GPU has no {size} of memory left",
        ),
        Symptom(re.compile(r"CUDA out of memory|CUDA error: out of memory"), "the GPU's memory ran out"),
    ),
)

RULES = (
    MODE, SHAPE, NO_IMAGE, BROKEN_IMAGE, NOT_FINITE, CPR_400, WORKER_KILLED, NO_MEMORY, PORT_TAKEN, SHARED_MEMORY,
    OTHER_PROCESSOR, NO_DOWNLOAD, TORCHSERVE, NO_ROUTE, GPU_MEMORY,
)  # fmt: skip
