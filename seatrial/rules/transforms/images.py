"""Family 4, images: the wrong mode, shape or type for the transforms or the model, and bytes that are not an image.

Nothing here is decided from facts: the messages of torch and Pillow show what happened to a request.
"""

from __future__ import annotations

from seatrial.rules.rule import Rule, Symptom

MODES = "https://pillow.readthedocs.io/en/stable/handbook/concepts.html#modes"

MODE = Rule(
    code="ST430",
    title="an image's mode does not suit the transforms",
    explanation=(
        "Transforms that end in a Normalize of three channels take RGB only. A PNG with transparency and a "
        "CMYK JPEG have four channels, a grey or palette image has one, and the pixels of a 16-bit image are not "
        "bytes. Clients send all of these."
    ),
    fix='convert every image as training did, by `serving.image.mode = "RGB"` or `.convert("RGB")` after opening it',
    recognised="The numbers of channels differ where a transform computes with an image.",
    cloud="The size of tensor a (4) must match the size of tensor b (3) at non-singleton dimension 0",
    sources=(MODES, "https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.Normalize.html"),
    symptoms=(
        Symptom(
            r"output with shape (?P<shape>\[1, [\d, ]{1,40}\]) doesn't match the broadcast shape",
            "a grey image is passed to a transform for three channels; set serving.image.mode",
        ),
        Symptom(
            r"Input tensor should be a float tensor\. Got torch\.(?P<type>\w{1,20})",
            "an image of {type} numbers is passed to Normalize; set serving.image.mode",
        ),
    ),
)

SHAPE = Rule(
    code="ST431",
    title="the model gets a tensor of the wrong shape or type",
    explanation=(
        "A model takes batches: four dimensions, channels before height and width, floating-point numbers. Its first "
        "layer refuses an image without a batch dimension, an array in Pillow's order or unscaled bytes. Images of "
        "different sizes cannot be stacked into one batch."
    ),
    fix="prepare an image as training did (Resize to two numbers or a crop, ToTensor), then stack images into a batch",
    cloud="RuntimeError: Given groups=1, weight of size [64, 3, 7, 7], expected input[1, 224, 224, 3] …",
    sources=("https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html",),
    symptoms=(
        Symptom(
            (
                r"Given groups=\d+, weight of size (?P<weight>\[[\d, ]{1,60}\]), "
                r"expected input(?P<got>\[[\d, ]{1,60}\])"
            ),
            "a layer with weights {weight} gets an input {got}",
        ),
        Symptom(
            r"expected (?P<want>\d(?:D or \d)*)D(?: \(unbatched\) or \dD \(batched\))? input \(got (?P<got>\d)D",
            "a layer for {want} dimensions gets an input of {got}",
        ),
        Symptom(
            r"mat1 and mat2 shapes cannot be multiplied \((?P<a>\d+x\d+) and (?P<b>\d+x\d+)\)",
            "a linear layer of {b} gets an input of {a}",
        ),
        Symptom(
            r"expected scalar type (?P<want>\w{1,20}) but found (?P<got>\w{1,20})",
            "a layer for {want} gets numbers of type {got}",
        ),
        Symptom(
            r"mat1 and mat2 must have the same dtype, but got (?P<a>\w{1,20}) and (?P<b>\w{1,20})",
            "a layer of {b} gets numbers of type {a}",
        ),
        Symptom(
            r"Input type \((?P<got>(?:unsigned char|double|struct \S+|(?:long )?long|int))\) and bias type",
            "a layer gets numbers of type {got}",
        ),
        Symptom(
            r"stack expects each tensor to be equal size, but got (?P<a>\[[\d, ]{1,60}\])",
            "images of different sizes cannot be stacked into one batch: the first is {a}",
        ),
    ),
)

NO_IMAGE = Rule(
    code="ST432",
    title="what was sent is not an image",
    explanation=(
        "The bytes are not in a format that Pillow knows, or were never decoded: base64 with a `data:image/…` prefix, "
        "in the alphabet for URLs or without its padding, or text where an image is expected. The server must "
        "refuse only that instance, not the whole request."
    ),
    fix="decode base64 strictly and answer 400 for the instance, as seatrial's runtime does",
    cloud="PIL.UnidentifiedImageError: cannot identify image file",
    sources=(
        "https://pillow.readthedocs.io/en/stable/reference/Image.html#PIL.Image.open",
        "https://docs.python.org/3/library/base64.html#base64.b64decode",
    ),
    symptoms=(
        Symptom(
            r"UnidentifiedImageError: cannot identify image file (?:<\S+ name=)?'(?P<file>[^'\n]{1,300})'",
            "the file {file} is not an image that Pillow can read",
        ),
        Symptom(r"UnidentifiedImageError: cannot identify image file", "the bytes sent are not an image"),
        Symptom(r"binascii\.Error: (?P<why>[^\n]{1,200})", "an image is not base64: {why}"),
        Symptom(
            r"pic should be PIL Image or ndarray\. Got <class '(?P<type>[\w.]{1,80})'>",
            "a transform for images gets a {type}",
        ),
        Symptom(
            r"TypeError: Unexpected type <class '(?P<type>[\w.]{1,80})'>",
            "a transform for images gets a {type}",
        ),
        Symptom(
            r"img should be PIL Image\. Got <class '(?P<type>[\w.]{1,80})'>",
            "a transform for images gets a {type}",
        ),
    ),
)

BROKEN_IMAGE = Rule(
    code="ST433",
    title="an image is cut off or too large",
    explanation=(
        "Pillow opens an image from its first bytes and reads the rest when the pixels are needed, so an incomplete "
        "upload fails only then. It refuses an image of more than 179 million pixels as an attack on memory."
    ),
    fix="answer 400 for the instance, as seatrial's runtime does; never set LOAD_TRUNCATED_IMAGES on a server",
    cloud="OSError: image file is truncated (… bytes not processed)",
    sources=(
        "https://pillow.readthedocs.io/en/stable/reference/Image.html#PIL.Image.open",
        "https://pillow.readthedocs.io/en/stable/reference/ImageFile.html",
    ),
    symptoms=(
        Symptom(
            r"image file is truncated|OSError: Truncated File Read|broken data stream when reading image",
            "an image is cut off",
        ),
        Symptom(
            r"DecompressionBombError: Image size \((?P<pixels>\d+) pixels\)",
            "an image of {pixels} pixels is refused",
        ),
    ),
)
