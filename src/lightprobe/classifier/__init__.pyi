from .answers import Explainer
from .changes import Changes, Update
from .fitted import Fitted
from .fitting import fit, gained_by, put_together
from .image_classifier import ImageClassifier, load
from .settings import Settings
from .training_record import TrainingIndex, TrainingRows, TrainingSums, digest_keys
from .updating import update

__all__ = [
    "Changes",
    "Explainer",
    "Fitted",
    "ImageClassifier",
    "Settings",
    "TrainingIndex",
    "TrainingRows",
    "TrainingSums",
    "Update",
    "digest_keys",
    "fit",
    "gained_by",
    "load",
    "put_together",
    "update",
]
