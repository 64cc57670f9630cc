import numpy as np

from lab_utils.metrics import macro_auroc
from lab_utils.studies import probe_stages
from lab_utils.training import linear_probe


def test_each_value_is_that_of_a_probe_on_one_stage_after_the_first_n_images():
    rng = np.random.default_rng(0)
    labels = [rng.integers(0, 2, (count, 2)) for count in (60, 30, 20)]
    features = [{"noise": rng.normal(size=(len(y), 3)), "good": y + 0.5 * rng.normal(size=y.shape)} for y in labels]
    found = probe_stages(features, labels, sizes=(20, 60), l2=2.0)
    assert found.shape == (2, 2, 2)
    assert (found[:, 1] > 0.8).all()
    for scored in (0, 1):
        for i, stage in enumerate(("noise", "good")):
            for j, n in enumerate((20, 60)):
                train, seen = features[0][stage][:n], features[1 + scored][stage]
                scores = linear_probe(train, labels[0][:n], seen, task="multilabel", l2=2.0)
                assert found[scored, i, j] == macro_auroc(labels[1 + scored], scores)
