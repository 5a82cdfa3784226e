"""What `evaluate` returns: figures by name, a line for a terminal, a table for a notebook."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from lightprobe import photo_model

CLASSES = ("cat", "<dog>", "owl")
LABELS = np.array([0, 0, 0, 1, 1, 1, 1, 0])
SAID = np.array([0, 1, 1, 1, 1, 1, 0, 0])
TESTED = photo_model.Tested(tuple("abcdefgh"), LABELS, np.eye(3)[SAID] * 0.8 + 0.1, (), 1.0, CLASSES)


def test_figures_are_those_of_scikit_learn() -> None:
    assert TESTED.accuracy == 5 / 8
    np.testing.assert_array_equal(TESTED.confusion, confusion_matrix(LABELS, SAID, labels=[0, 1, 2]))
    per_class = TESTED.per_class
    assert [one["n"] for one in per_class.values()] == [4, 4, 0]
    for name, score in (("recall", recall_score), ("precision", precision_score)):
        expected = score(LABELS, SAID, labels=[0, 1], average=None)
        assert [per_class[c][name] for c in CLASSES[:2]] == pytest.approx(expected)
        assert np.isnan(per_class["owl"][name])


def test_it_is_a_line_in_a_terminal_and_a_table_in_a_notebook() -> None:
    assert repr(TESTED) == "<62.5% of 8 photos right, 3 classes>"
    html = TESTED._repr_html_()
    assert "62.5% of 8 photos right" in html
    assert "&lt;dog&gt;" in html
    assert "<dog>" not in html
    assert "cat called &lt;dog&gt; (2); &lt;dog&gt; called cat (1)." in html
