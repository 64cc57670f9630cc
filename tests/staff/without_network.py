"""What ranks the images of a homework without any network: what a level of predictions must stand above.

Pixels are taken as they are. Who first takes from each image its own mean and spread undoes some of what sets the
hospitals apart, and reaches more.
"""

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from lab_utils.metrics import auroc
from lab_utils.staff.grading.phantom_set import draw_test_set, private_site

HOSPITALS = range(1, 4)  # seeds of private hospitals
SIDE = 16  # pixels, each the mean of those that it covers


def without_network(train, homework):
    """Return the AUROC of five classifiers of pixels at three private hospitals, (5, 3).

    Args:
        train: the split that the students learn from.
        homework: its name.
    """
    models = (
        RandomForestClassifier(100, min_samples_leaf=2, random_state=0),
        HistGradientBoostingClassifier(random_state=0),
        make_pipeline(StandardScaler(), SVC()),
        make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000)),
        KNeighborsClassifier(15),
    )
    tests = [draw_test_set(seed, homework, n=200, site=private_site(seed, homework)) for seed in HOSPITALS]
    fitted = [model.fit(_pixels(train.images), train.labels.numpy()) for model in models]
    return np.array([[auroc(test.labels, _scores(model, test.images)) for test in tests] for model in fitted])


def _pixels(images):
    return F.adaptive_avg_pool2d(torch.as_tensor(images).float(), SIDE).flatten(1).numpy()


def _scores(model, images):
    how = model.decision_function if hasattr(model, "decision_function") else lambda x: model.predict_proba(x)[:, 1]
    return how(_pixels(images))
