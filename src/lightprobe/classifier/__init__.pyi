from .answers import Explainer
from .changes import Changes, Update
from .fitted import Fitted
from .fitting import fit
from .image_classifier import ImageClassifier, load
from .settings import Settings
from .training_record import TrainingRows, TrainingSums
from .updating import update

__all__ = [
    "Changes",
    "Explainer",
    "Fitted",
    "ImageClassifier",
    "Settings",
    "TrainingRows",
    "TrainingSums",
    "Update",
    "fit",
    "load",
    "update",
]
