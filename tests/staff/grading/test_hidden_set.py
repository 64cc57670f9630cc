import numpy as np

from lab_utils.staff.grading.hidden_set import hidden_images
from lab_utils.staff.grading.test_set import read_labels


def test_a_course_keeps_its_hidden_set_until_a_new_one_is_asked_for_and_no_labels_are_lost(tmp_path):
    first, drawn = hidden_images(tmp_path, "homework4")
    assert drawn
    labels, _ = read_labels(tmp_path / "homework4_labels.csv")
    assert hidden_images(tmp_path, "homework4") == (first, False)
    second, drawn = hidden_images(tmp_path, "homework4", new=True)
    assert drawn
    assert second != first
    new, _ = read_labels(tmp_path / "homework4_labels.csv")
    assert not np.array_equal(new, labels)
    hidden_images(tmp_path, "homework4", new=True)
    for number, expected in ((1, labels), (2, new)):
        older, _ = read_labels(tmp_path / f"homework4_labels_of_older_set_{number}.csv")
        np.testing.assert_array_equal(older, expected)
