"""Objects of real libraries, of every kind that ends up in artifacts: what make_libraries.py writes and reads again."""
# ruff: noqa: S112 — an object that cannot be made of simple arguments is left out

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

Objects = Iterator[tuple[str, Any]]


def estimators() -> Objects:
    """Every estimator of scikit-learn that can be fitted to a small table."""
    from sklearn.utils import all_estimators

    rng = np.random.default_rng(0)
    table = np.abs(rng.normal(size=(60, 4))) + 0.1
    classes, numbers = (table[:, 0] > table[:, 1]).astype(int), table @ np.arange(1.0, 5)
    for name, kind in all_estimators():
        for arguments in ((table, classes), (table, numbers), (table,), (list(map(str, classes)),)):
            try:
                made = kind()
                if "max_iter" in made.get_params():
                    made.set_params(max_iter=20)
                made.fit(*arguments)
            except Exception:  # noqa: BLE001 - what cannot be fitted so is left out
                continue
            yield f"sklearn {name}", made
            break


def compositions() -> Objects:
    """Pipelines, searches and functions of scikit-learn inside other objects."""
    from sklearn import (
        compose,
        ensemble,
        feature_extraction,
        feature_selection,
        gaussian_process,
        linear_model,
        metrics,
        model_selection,
        neighbors,
        pipeline,
        preprocessing,
        svm,
        tree,
    )

    table = np.abs(np.random.default_rng(0).normal(size=(40, 4))) + 0.1
    classes = (table[:, 0] > table[:, 1]).astype(int)
    logistic = linear_model.LogisticRegression()
    functions = preprocessing.FunctionTransformer(np.log1p)
    columns = compose.ColumnTransformer([("a", preprocessing.StandardScaler(), [0, 1]), ("b", "passthrough", [2])])
    kernel = gaussian_process.kernels.RBF() + gaussian_process.kernels.WhiteKernel()
    made = {
        "pipeline": pipeline.make_pipeline(functions, preprocessing.PolynomialFeatures(), logistic),
        "columns": pipeline.make_pipeline(columns, tree.DecisionTreeClassifier()),
        "best features": pipeline.make_pipeline(
            feature_selection.SelectKBest(feature_selection.f_classif, k=2), logistic
        ),
        "mutual information": feature_selection.SelectKBest(feature_selection.mutual_info_classif, k=2),
        "search": model_selection.GridSearchCV(
            svm.SVC(), {"C": [1.0, 2.0]}, scoring=metrics.make_scorer(metrics.f1_score)
        ),
        "random search": model_selection.RandomizedSearchCV(logistic, {"C": [1.0, 2.0]}, n_iter=1, cv=2),
        "stacking": ensemble.StackingClassifier([("a", logistic), ("b", neighbors.KNeighborsClassifier())]),
        "gaussian process": gaussian_process.GaussianProcessClassifier(kernel),
        "neighbours": neighbors.KNeighborsClassifier(metric="manhattan", algorithm="ball_tree"),
        "kernel function": svm.SVC(kernel=metrics.pairwise.rbf_kernel),
        "random state": ensemble.RandomForestClassifier(5, random_state=np.random.RandomState(3)),
        "generator": {"rng": np.random.default_rng(3), "seed": np.random.SeedSequence(3)},
    }
    for name, each in made.items():
        yield f"sklearn {name}", each.fit(table, classes) if hasattr(each, "fit") else each
    for loss in ("hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron"):
        yield f"sklearn SGDClassifier {loss}", linear_model.SGDClassifier(loss=loss).fit(table, classes)
    for loss in ("squared_error", "huber", "epsilon_insensitive", "squared_epsilon_insensitive"):
        yield f"sklearn SGDRegressor {loss}", linear_model.SGDRegressor(loss=loss).fit(table, classes)
    for loss in ("squared_error", "absolute_error", "gamma", "poisson", "quantile"):
        made_of = ensemble.HistGradientBoostingRegressor(loss=loss, quantile=0.5, max_iter=2)
        yield f"sklearn HistGradientBoostingRegressor {loss}", made_of.fit(table, table[:, 0] + 1)
    three = np.arange(len(table)) % 3
    yield (
        "sklearn HistGradientBoostingClassifier",
        ensemble.HistGradientBoostingClassifier(max_iter=2).fit(table, three),
    )
    for metric in ("euclidean", "manhattan", "chebyshev", "minkowski", "canberra", "braycurtis", "hamming", "jaccard"):
        for algorithm in ("kd_tree", "ball_tree"):
            if metric in neighbors.VALID_METRICS[algorithm]:
                nearest = neighbors.NearestNeighbors(metric=metric, algorithm=algorithm).fit(table)
                yield f"sklearn {algorithm} {metric}", nearest
    text = ["a few words", "some other words", "words and words"]
    for kind in (feature_extraction.text.TfidfVectorizer, feature_extraction.text.CountVectorizer):
        yield f"sklearn {kind.__name__}", kind().fit(text)
    yield "sklearn DictVectorizer", feature_extraction.DictVectorizer().fit([{"a": 1}, {"b": 2}])


def transforms() -> Objects:
    """Every transform of torchvision that needs no arguments or simple ones, and images in its own classes."""
    from torchvision import transforms, tv_tensors
    from torchvision.transforms import InterpolationMode, autoaugment, v2

    simple: tuple[tuple[Any, ...], ...] = ((), (8,), ((8, 8),), (0.5,), ([0.5], [0.5]), ([],), ([torch.nn.Identity()],))
    for package in (transforms, v2):
        for name, kind in sorted(vars(package).items()):
            if (inspect.isclass(kind) and issubclass(kind, torch.nn.Module)) or (
                name in vars(transforms) and inspect.isclass(kind)
            ):
                for arguments in simple:
                    try:
                        yield f"{package.__name__} {name}", kind(*arguments)
                        break
                    except Exception:  # noqa: BLE001
                        continue
    steps = [transforms.Resize(8, InterpolationMode.BICUBIC), transforms.ToTensor(), transforms.Normalize([0.5], [0.5])]
    yield "torchvision Compose", transforms.Compose(steps)
    yield "torchvision AutoAugment", transforms.AutoAugment(autoaugment.AutoAugmentPolicy.CIFAR10)
    yield "torchvision presets", [w.transforms() for w in _weights()]
    yield "torchvision image", tv_tensors.Image(torch.zeros(3, 4, 4))
    box = tv_tensors.BoundingBoxes(torch.zeros(1, 4), format="XYXY", canvas_size=(4, 4))
    yield "torchvision boxes", {"boxes": box, "mask": tv_tensors.Mask(torch.zeros(4, 4))}


def _weights() -> list[Any]:
    from torchvision import models

    return [
        models.ResNet18_Weights.DEFAULT,
        models.ViT_B_16_Weights.DEFAULT,
        models.detection.FasterRCNN_ResNet50_FPN_Weights.DEFAULT,
    ]


TORCHVISION = [
    "alexnet",
    "densenet121",
    "efficientnet_b0",
    "googlenet",
    "mobilenet_v3_small",
    "regnet_y_400mf",
    "resnet18",
    "shufflenet_v2_x0_5",
    "swin_t",
    "vgg11",
    "vit_b_16",
    "convnext_tiny",
    "maxvit_t",
    "mnasnet0_5",
    "squeezenet1_0",
    "inception_v3",
    "fcn_resnet50",
    "fasterrcnn_resnet50_fpn",
    "retinanet_resnet50_fpn",
    "ssd300_vgg16",
    "raft_small",
    "r3d_18",
]
TIMM = [
    "resnet18",
    "vit_tiny_patch16_224",
    "convnext_atto",
    "efficientnet_b0",
    "mobilenetv3_small_050",
    "swin_tiny_patch4_window7_224",
    "deit_tiny_patch16_224",
    "beit_base_patch16_224",
    "regnetx_002",
    "densenet121",
    "mixer_s32_224",
    "coatnet_nano_rw_224",
    "levit_128s",
    "poolformer_s12",
    "maxvit_nano_rw_256",
    "edgenext_xx_small",
    "mobilevit_xxs",
    "nfnet_f0",
    "hrnet_w18_small",
    "ghostnet_050",
    "repvgg_a0",
    "xcit_nano_12_p8_224",
    "cait_xxs24_224",
    "pit_ti_224",
    "twins_pcpvt_small",
    "volo_d1_224",
    "eva02_tiny_patch14_224",
    "efficientformer_l1",
    "fastvit_t8",
    "resnest14d",
    "tf_efficientnetv2_b0",
    "vgg11",
    "davit_tiny",
    "hiera_tiny_224",
]


def vision_models() -> Objects:
    """Whole models of many families of torchvision and timm, without bytes for their weights."""
    import timm
    from torchvision import models

    for name in TORCHVISION:
        backbone = {"weights_backbone": None} if name.startswith(("fcn", "faster", "retina", "ssd")) else {}
        yield f"torchvision {name}", _without_weights(models.get_model, name, weights=None, **backbone)
    for name in TIMM:
        if timm.is_model(name):
            yield f"timm {name}", _without_weights(timm.create_model, name, pretrained=False)


def _without_weights(build: Callable[..., Any], name: str, **arguments: Any) -> Any:
    try:
        with torch.device("meta"):
            return build(name, **arguments)
    except (NotImplementedError, RuntimeError):  # some compute with the weights that they begin with
        return build(name, **arguments)


def layers() -> Objects:
    """Every layer, optimizer, scheduler and loss of torch that can be made of simple arguments."""
    simple: tuple[tuple[Any, ...], ...] = (
        (),
        (4,),
        (4, 4),
        (4, 4, 1),
        (4, 2, 8),
        ([torch.nn.Linear(2, 2)],),
        (2, 2, 2, 2),
    )
    for name, kind in sorted(vars(torch.nn).items()):
        if inspect.isclass(kind) and issubclass(kind, torch.nn.Module):
            for arguments in simple:
                try:
                    yield f"torch.nn {name}", kind(*arguments)
                    break
                except Exception:  # noqa: BLE001
                    continue
    net = torch.nn.Linear(2, 2)
    for name, kind in sorted(vars(torch.optim).items()):
        if inspect.isclass(kind) and issubclass(kind, torch.optim.Optimizer):
            try:
                made: Any = kind(net.parameters(), lr=0.1)  # type: ignore[call-arg]
            except Exception:  # noqa: BLE001
                continue
            yield f"torch.optim {name}", {"state": made.state_dict(), "optimizer": made}
    sgd = torch.optim.SGD(net.parameters(), lr=0.1)
    schedules = torch.optim.lr_scheduler
    for each in (schedules.StepLR(sgd, 2), schedules.CosineAnnealingLR(sgd, 5), schedules.ReduceLROnPlateau(sgd)):
        yield f"torch {type(each).__name__}", {"scheduler": each.state_dict(), "whole": each}


def torch_objects() -> Objects:
    """What training loops put into checkpoints beside weights."""
    import argparse
    import collections
    import datetime
    import decimal
    import fractions
    import functools
    import logging
    import uuid

    from torch.nn.utils import parametrizations, prune, weight_norm

    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
    yield "torch state_dict", net.state_dict()
    yield "torch checkpoint", {"model": net.state_dict(), "epoch": 3, "best": 0.5, "args": argparse.Namespace(lr=0.1)}
    yield "torch Parameter", torch.nn.Parameter(torch.zeros(2))
    yield (
        "torch dtypes",
        {t: torch.zeros(2, dtype=getattr(torch, t)) for t in ("float16", "bfloat16", "int64", "bool", "complex64")},
    )
    yield (
        "torch values",
        [
            torch.float32,
            torch.device("cpu"),
            torch.Size([2]),
            torch.strided,
            torch.Generator(),
        ],
    )
    yield "torch sparse", [torch.eye(3).to_sparse(), torch.eye(3).to_sparse_csr()]
    yield "torch quantized tensor", torch.quantize_per_tensor(torch.zeros(2), 0.1, 0, torch.qint8)
    yield (
        "torch dynamic quantization",
        torch.ao.quantization.quantize_dynamic(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.LSTM(2, 2))),
    )
    yield "torch fused quantization", _quantized()
    yield "torch spectral norm", torch.nn.utils.spectral_norm(torch.nn.Linear(2, 2))
    yield "torch weight norm", weight_norm(torch.nn.Linear(2, 2))
    yield "torch parametrizations", parametrizations.orthogonal(torch.nn.Linear(2, 2)).state_dict()
    yield "torch pruned", prune.l1_unstructured(torch.nn.Linear(2, 2), "weight", 1)
    yield (
        "torch transformer",
        torch.nn.TransformerEncoder(torch.nn.TransformerEncoderLayer(4, 2, 8, activation="gelu"), 1),
    )
    yield "torch functions", [torch.nn.functional.relu, torch.nn.functional.gelu, torch.nn.init.xavier_uniform_]
    yield "torch swa", torch.optim.swa_utils.AveragedModel(net)
    yield "torch distribution", torch.distributions.Normal(torch.zeros(1), torch.ones(1))
    yield "torch dataset", torch.utils.data.TensorDataset(torch.zeros(2, 2))
    yield "torch wrapped", torch.nn.DataParallel(net)
    yield (
        "torch nested",
        torch.nn.utils.rnn.pack_padded_sequence(torch.zeros(2, 2, 2), torch.tensor([2, 1]), batch_first=True),
    )
    plain = (datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), datetime.timedelta(1), decimal.Decimal("0.1"))
    more = (
        fractions.Fraction(1, 3),
        uuid.uuid4(),
        Path("weights"),
        collections.Counter("aab"),
        slice(1, 2),
        range(3),
        1j,
    )
    containers: tuple[Any, ...] = (
        collections.deque([1]),
        collections.defaultdict(list),
        bytearray(b"x"),
        {1},
        frozenset([2]),
        ValueError("x"),
    )
    yield (
        "python values",
        [*plain, *more, *containers, functools.partial(torch.nn.Linear, 2), logging.getLogger("x"), len],
    )


def _quantized() -> Any:
    net = torch.ao.quantization.QuantWrapper(torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), torch.nn.ReLU()))
    net.qconfig = torch.ao.quantization.get_default_qconfig("x86")
    ready = torch.ao.quantization.prepare(net.eval())
    ready(torch.zeros(1, 1, 4, 4))
    return torch.ao.quantization.convert(ready)


def arrays() -> Objects:
    """Arrays and tables of numpy, scipy, pandas and Pillow."""
    import pandas as pd
    from PIL import Image
    from scipy import interpolate, sparse, spatial, stats

    yield (
        "numpy arrays",
        [
            np.zeros(3),
            np.float32(1),
            np.array(["a"]),
            np.array([{}], dtype=object),
            np.dtype("f4"),
            np.ma.masked_array([1], [True]),
        ],
    )
    yield (
        "numpy records",
        [np.zeros(2, dtype=[("a", "f4")]), np.rec.array([(1, 2)]), np.datetime64("2026-01-01"), np.matrix([[1]])],
    )
    yield "numpy functions", [np.log1p, np.mean, np.float64, np.int8, np.poly1d([1, 2]), np.polynomial.Polynomial([1])]
    yield (
        "scipy sparse",
        [
            kind(np.eye(3))
            for kind in (
                sparse.csr_matrix,
                sparse.csc_matrix,
                sparse.coo_matrix,
                sparse.csr_array,
                sparse.lil_matrix,
                sparse.dok_matrix,
            )
        ],
    )
    yield "scipy stats", [stats.norm(0, 1), stats.uniform, stats.gaussian_kde([1.0, 2.0, 3.0])]
    yield "scipy interpolate", [interpolate.interp1d([0, 1], [1, 2]), interpolate.CubicSpline([0, 1, 2], [1, 2, 3])]
    yield (
        "scipy spatial",
        [spatial.cKDTree(np.eye(3)), spatial.KDTree(np.eye(3)), spatial.transform.Rotation.identity()],
    )
    frame = pd.DataFrame(
        {
            "a": [1, 2],
            "b": ["x", "y"],
            "c": pd.Categorical(["u", "v"]),
            "d": pd.to_datetime(["2026-01-01", "2026-01-02"]),
        }
    )
    yield "pandas DataFrame", frame
    yield (
        "pandas Series",
        [frame.a, pd.Series([1, None], dtype="Int64"), pd.Series(["x"], dtype="string"), frame.set_index(["a", "b"])],
    )
    times = [
        pd.Timestamp("2026-01-01", tz="UTC"),
        pd.Timedelta(1),
        pd.Period("2026-01"),
        pd.Interval(0, 1),
        pd.NaT,
        pd.NA,
    ]
    yield (
        "pandas times",
        [
            *times,
            pd.date_range("2026-01-01", periods=2),
            pd.period_range("2026-01", periods=2),
            pd.RangeIndex(3),
            pd.interval_range(0, 2),
        ],
    )
    yield "pillow image", [Image.new("RGB", (2, 2)), Image.new("P", (2, 2)), Image.Resampling.BICUBIC]


def trained_trees() -> Objects:
    """Models of gradient boosting libraries."""
    import lightgbm
    import xgboost

    table = np.random.default_rng(0).normal(size=(60, 3))
    classes = (table[:, 0] > 0).astype(int)
    yield "xgboost classifier", xgboost.XGBClassifier(n_estimators=2).fit(table, classes)
    yield "xgboost booster", xgboost.train({}, xgboost.DMatrix(table, classes), 2)
    yield "lightgbm classifier", lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(table, classes)
    yield "lightgbm booster", lightgbm.train({"verbose": -1}, lightgbm.Dataset(table, classes), 2)


def metrics() -> Objects:
    """Metrics of torchmetrics."""
    import torchmetrics

    yield "torchmetrics accuracy", torchmetrics.Accuracy(task="multiclass", num_classes=3)
    yield (
        "torchmetrics collection",
        torchmetrics.MetricCollection([torchmetrics.MeanMetric(), torchmetrics.F1Score(task="binary")]),
    )
    yield "torchmetrics auroc", torchmetrics.AUROC(task="multiclass", num_classes=3)
