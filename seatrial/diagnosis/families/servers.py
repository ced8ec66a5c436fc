"""Servers that other projects wrote: how uvicorn, gunicorn, TorchServe, Triton and others say that they do not start.

Each has one sentence for a fault of its own command line or configuration; no line of the user's code has run then.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.reading import text_of, words_of
from seatrial.diagnosis.families.wordings import Wording, told
from seatrial.rules.deployment import containers
from seatrial.rules.rule import Telling
from seatrial.rules.serving import google_servers, processes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case, Diagnosis, Statement
    from seatrial.diagnosis.raised import Raised

ALONE = True
_Q = r"[`'\"]?"
_WORDINGS = (
    Wording(
        containers.NO_START,
        re.compile(rf"Could not import module {_Q}(?P<module>[\w.]+)"),
        "the server cannot import its application module {module}",
        "start it in the folder that holds the module (WORKDIR, `--app-dir`), or install the package and write its "
        "full dotted name; an import that fails inside the module shows in the lines before",
    ),
    Wording(
        containers.NO_START,
        re.compile(
            rf"Attribute {_Q}(?P<name>[\w.]+){_Q} not found in module {_Q}(?P<module>[\w.]+)|"
            rf"Failed to find attribute {_Q}(?P<attribute>[\w.]+){_Q} in {_Q}(?P<where>[\w.]+)"
        ),
        "the application module {module}{where} has no {name}{attribute}",
        "name the variable that holds the application: `module:variable`; for a function that makes it, `--factory` "
        "(uvicorn) or `module:function()` (gunicorn)",
    ),
    Wording(
        containers.NO_START,
        re.compile(rf"Import string {_Q}(?P<given>[^\s\"'`]+){_Q} must be in format"),
        "the application is given as {given}, and must be `module:attribute`",
        "write `module:attribute`, with dots and without `.py`",
    ),
    Wording(
        containers.NO_START,
        re.compile(
            r"exec:? \"?(?P<program>(?!docker-credential)[^\s\":]+)\"?: (?:executable file not found in|"
            r"stat [^\n]*no such file)|"
            r"(?:sh|bash): (?:line )?\d+: (?P<shell>[\w./-]+): (?:command )?not found"
        ),
        "the image has no program {program}{shell}",
        "install what brings it (is it in requirements.in and in the lock?), put its folder into PATH, or start it as "
        "`python -m …`; a list in CMD has one word an element",
    ),
    Wording(
        containers.NO_START,
        re.compile(r"exec:? \"?(?P<file>/[^\s\":]+)\"?: (?:no such file or directory)"),
        "the image cannot start {file}: it, or the interpreter in its first line, does not exist",
        "copy it into the image, and save it with Unix line ends: `#!/bin/sh` with a carriage return names no file",
    ),
    Wording(
        containers.NO_START,
        re.compile(r"exec:? \"?(?P<file>/?[^\s\":]+)\"?: permission denied"),
        "the image may not execute {file}",
        "make it executable (`RUN chmod +x`, or COPY --chmod=755), or start it by its interpreter",
    ),
    Wording(
        containers.NO_START,
        re.compile(r"can't open file {q}(?P<file>[^'\"\n]+){q}: \[Errno 2\]".replace("{q}", "['\"]")),
        "Python is started with {file}, which the image does not have",
        "copy it there, or correct the path in the command; it is relative to WORKDIR",
    ),
    Wording(
        containers.NO_START,
        re.compile(
            r"failed to start and listen on the port (?:defined (?:provided )?by the PORT[^\n]*?=\s*(?P<port>\d+))?"
        ),
        "nothing listens on the port {port} that the platform asks for",
        "listen on 0.0.0.0 and on the port that the platform's variable gives (`PORT`, on Vertex AI `AIP_HTTP_PORT`); "
        "the server may also have ended before, or load for too long: see the lines before",
        telling=Telling.NAMELESS,
    ),
    Wording(
        processes.PORT_TAKEN,
        re.compile(
            r"(?i)(?:bind|listen)[^\n]{0,80}(?:address already in use|in use)|EADDRINUSE[^\n]{0,40}?(?P<port>\d{2,5})|"
            r"Only one usage of each socket address|port is already allocated"
        ),
        "the port {port} is taken",
    ),
    Wording(
        containers.NO_START,
        re.compile(
            r"\[Errno 13\][^\n]*(?:bind|address|port)|bind\(\)[^\n]*Permission denied|"
            r"(?:bind|binding)[^\n]*\[Errno 13\]|Permission denied[^\n]*(?:binding|0\.0\.0\.0:\d{1,3}\b)"
        ),
        "the server may not listen on its port: ports below 1024 need rights that its user does not have",
        "listen on AIP_HTTP_PORT (8080 by default)",
    ),
    Wording(
        containers.NO_START,
        re.compile(
            r"(?i)\b(?:bind|listen)\w*\b[^\n]{0,120}cannot assign requested address|"
            r"\[Errno 99\] error while attempting to bind"
        ),
        "the server is told to listen on an address that this machine does not have",
        "listen on 0.0.0.0",
    ),
    Wording(
        google_servers.TORCHSERVE,
        re.compile(r"Token Authorization failed|InvalidKeyException"),
        "TorchServe wants a token with every request, also of the health route, and none was sent",
        "start it with `--disable-token-auth`, or set `disable_token_authorization=true` in config.properties (also "
        "TS_DISABLE_TOKEN_AUTHORIZATION=true); only the platform reaches the container",
        cause="Since TorchServe 0.11.1 a token is asked for unless that is switched off; the probe sends none.",
    ),
    Wording(
        google_servers.TORCHSERVE,
        re.compile(r"Backend worker startup time ?out|Backend worker did not respond in given time"),
        "a worker of TorchServe did not load the model, or did not answer, within its time-out",
        "do less in the handler's initialize(), or raise `default_startup_timeout` and `default_response_timeout` in "
        "config.properties",
    ),
    Wording(
        google_servers.TORCHSERVE,
        re.compile(
            r"Load model failed: (?P<model>[\w.-]+), error: (?P<why>[^\n]{1,120})|Backend worker process died|"
            r"Worker died\b|[Mm]odel \"?(?P<name>[\w.-]+)\"? has no worker to serve inference"
        ),
        "a worker of TorchServe ended while it loaded the model {model}{name}",
        "read the worker's own lines before this one (MODEL_LOG, W-…-stdout): the exception in the handler, a missing "
        "module (`requirementsFile` with install_py_dep_per_model=true), or a kill for memory",
        telling=Telling.NAMELESS,
    ),
    Wording(
        google_servers.TORCHSERVE,
        re.compile(
            r"(?:No|Cannot find|Can't find|Missing) (?:java|JAVA)\w*|java: (?:command )?not found|JAVA_HOME|"
            r"Failed to locate java|\[Errno 2\] No such file or directory: 'java'"
        ),
        "TorchServe is a Java program, and the image has no Java",
        "install openjdk-17-jre-headless in the image, or serve with `seatrial image build`, which needs none",
    ),
    Wording(
        google_servers.TORCHSERVE,
        re.compile(r"No module named ['\"]ts\.torch_handler\.(?P<handler>\w+)"),
        "TorchServe finds no handler {handler}: it is no file of the archive, and no handler of TorchServe's own",
        "make the archive again with `--handler PATH/{handler}.py` (torch-model-archiver packs it), or name one of "
        "TorchServe's: image_classifier, object_detector, text_classifier",
        cause="TorchServe looks for the file in the archive, and then for a module of that name in ts.torch_handler.",
    ),
    Wording(
        containers.NO_START,
        re.compile(
            r"failed to load {q}?(?P<model>[\w.-]+){q}? version \d+: [^\n]{0,60}ModuleNotFoundError: No module named "
            r"{q}(?P<module>[\w.]+)".replace("{q}", "['\"`]")
        ),
        "the Python of Triton that runs model.py of {model} has no module {module}",
        "a file of your own must lie beside model.py, in the version's folder; a distribution must be installed in the "
        "image of Triton, or come with the model as an environment (EXECUTION_ENV_PATH in config.pbtxt)",
        cause="Triton runs model.py by its own Python, and not by the one in which the model was made.",
    ),
    Wording(
        containers.NO_START,
        re.compile(r"failed to start (?P<service>[A-Z][\w ]{1,30}) service: [^\n]{3,200}default model is not"),
        "Triton does not start its {service} service: the folder of models has several, and none is the default",
        "keep one model in the folder, or name the default one: --vertex-ai-default-model=NAME",
    ),
    Wording(
        containers.NO_START,
        re.compile(r"failed to start (?P<service>[A-Z][\w ]{1,30}) service: (?P<why>[^\n]{3,200})"),
        "Triton does not start its {service} service: {why}",
        "correct what it says; `tritonserver --help` lists the options of each service",
    ),
    Wording(
        containers.NO_START,
        re.compile(r"HaltServer[^\n]{0,20}(?:Worker failed to boot|App failed to load)"),
        "gunicorn stopped because a worker failed while it booted",
        "read the lines before this one: below `Exception in worker process` stands the traceback of the application's "
        "import, which is the cause; `gunicorn --preload`, or importing the module by itself, shows it at once",
        cause="The sentence tells only that the application could not be imported.",
        telling=Telling.NAMELESS,
    ),
    Wording(
        google_servers.TORCHSERVE,
        re.compile(r"\"type\": \"InternalServerException\",\s*\"message\": \"Prediction failed\""),
        "TorchServe answered 503: the handler raised an exception for this request",
        "read the log of the endpoint's container: the traceback of the handler stands there in the lines with "
        "MODEL_LOG; what the client gets never has it",
        telling=Telling.NAMELESS,
    ),
    Wording(
        containers.NO_START,
        re.compile(
            r"failed to load (?:all models|{q}(?P<model>[\w.-]+){q} version \d+): (?P<why>[^\n]{3,200})".replace(
                "{q}", "['\"`]?"
            )
        ),
        "the inference server does not load the model {model}: {why}",
        "correct what it says: the configuration (config.pbtxt) must have the names, types and shapes of the model's "
        "file, and the backend must be in the image",
    ),
    Wording(
        containers.NO_START,
        re.compile(
            r"Could not find an? {q}MLmodel{q} configuration file(?: at {q}(?P<place>[^\s\"']+))?".replace(
                "{q}", "['\"`]?"
            )
        ),
        "MLflow finds no model at {place}: the folder has no file MLmodel",
        "give the folder that mlflow's log_model wrote (…/artifacts/NAME), not the one above it",
    ),
    Wording(
        containers.NO_START,
        re.compile(
            r"[Mm]odel {q}?(?P<model>[\w.:-]+){q}? (?:is )?not found in (?:the )?BentoML store|"
            r"no (?:Models|Bentos) with name {q}?(?P<name>[\w.:-]+){q}? exist".replace("{q}?", "['\"`]?")
        ),
        "BentoML's store has no {model}{name} here",
        "the store is a folder of the machine that saved it: build the Bento with the model in it, and deploy that",
    ),
)
_START = re.compile(
    r"(?i)import|service|attribute|exec|not found|can't open|port|bind|listen|address|token|key|worker|java|load|"
    r"mlmodel|bento|Errno|torch_handler|HaltServer"
)


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge an exception that a server raised about its own start."""
    if raised.users is None and not any(frame.distribution in ("torch", "transformers") for frame in raised.frames):
        yield from told(_WORDINGS, words_of(raised), raised.position)


def of_statement(statement: Statement, case: Case) -> Iterator[Diagnosis]:
    """Judge a line of a server's own log."""
    text = text_of(statement)
    if _START.search(text):
        yield from told(_WORDINGS, text, statement.position)
