"""What makes transfer learning work for medical images? (Matsoukas et al. 2022, arXiv:2203.01825) as a study.

Two transformers and two convolutional networks on five sets: random (RI), from pretrained statistics (ST, as published),
pretrained (WT), and pretrained up to a block with ST above it (WT-ST-n). Beside the table: gain by the distance between
ImageNet and the set, by its size, and by network; and where the network reuses what it got (kNN by stage, CKA, l2).
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab_utils.data import Augment, subset
from lab_utils.metrics import quadratic_kappa
from lab_utils.networks import blocks, build_model
from lab_utils.studies.starting import STAND_IN, built, started
from lab_utils.studies.study import Cell, Row, Splits, Study, Table
from lab_utils.training import evaluate, fit

if TYPE_CHECKING:
    import pandas as pd
