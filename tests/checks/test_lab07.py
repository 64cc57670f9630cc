"""Right answers of lab 7 written otherwise; wrong answers stand beside their hints."""

import numpy as np
import pytest
import torch
from scipy import linalg
from torch import nn

from lab_utils.checks import lab07
from lab_utils.networks import stages
from tests.refusals import ROOT  # noqa: F401
