from .card import contradict_card, optical_card
from .disk import (
    is_model,
    model_bytes,
    model_digest,
    model_folder,
    read_config,
    read_model,
    whole_parts,
    write_model,
)
from .estimator import PhotoClassifier
from .network import Network, named, network_facts, seen_once
from .photo_model import (
    Answerer,
    LeftOut,
    PhotoModel,
    evaluate,
    evaluate_with_features,
    features_of,
    iter_predictions,
    look,
    open_labelled,
)
from .predictions import Argument, Explanation, Prediction, Tested, as_record, most_probable
from .to_label import next_photos

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
    "contradict_card",
    "evaluate",
    "evaluate_with_features",
    "features_of",
    "is_model",
    "iter_predictions",
    "look",
    "model_bytes",
    "model_digest",
    "model_folder",
    "most_probable",
    "named",
    "network_facts",
    "next_photos",
    "open_labelled",
    "optical_card",
    "read_config",
    "read_model",
    "seen_once",
    "whole_parts",
    "write_model",
]
