"""The closed-form method: ImageClassifier, from photos to answers and onto disk."""

from lightprobe.classifier.answers import Explainer
from lightprobe.classifier.changes import Changes, Update
from lightprobe.classifier.fit import fit
from lightprobe.classifier.fitted import Fitted
from lightprobe.classifier.image_classifier import ImageClassifier, load
from lightprobe.classifier.settings import Settings
from lightprobe.classifier.training_record import TrainingRows, TrainingSums
from lightprobe.classifier.update import update

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
