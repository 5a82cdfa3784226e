"""What every method's fitted classifier shares: networks that look, answers, the disk."""

from lightprobe.photo_model.disk import is_model, model_bytes, model_digest, read_model, write_model
from lightprobe.photo_model.estimator import PhotoClassifier
from lightprobe.photo_model.network import Network, named, network_facts
from lightprobe.photo_model.photo_model import (
    Answerer,
    LeftOut,
    PhotoModel,
    evaluate,
    features_of,
    iter_predictions,
    look,
    open_labelled,
)
from lightprobe.photo_model.predictions import Argument, Explanation, Prediction, Tested, as_record

__all__ = [
    "Answerer",
    "Argument",
    "Explanation",
    "LeftOut",
    "Network",
    "PhotoClassifier",
    "PhotoModel",
    "Prediction",
    "Tested",
    "as_record",
    "evaluate",
    "features_of",
    "is_model",
    "iter_predictions",
    "look",
    "model_bytes",
    "model_digest",
    "named",
    "network_facts",
    "open_labelled",
    "read_model",
    "write_model",
]
