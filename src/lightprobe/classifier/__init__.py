"""The closed-form method: ImageClassifier, from photos to answers and onto disk."""

from lightprobe.classifier.image_classifier import ImageClassifier, load

__all__ = ["ImageClassifier", "load"]
