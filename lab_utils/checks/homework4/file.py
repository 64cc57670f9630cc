"""The file that homework 4 is handed in with: a probability of pneumonia for every test image, by four networks."""

from lab_utils.checks.predictions_file import PredictionsFile

FORM = PredictionsFile(
    "homework4", ("model_1_fine_tuned", "model_1_fixed", "model_2_fine_tuned", "model_2_fixed"), "pneumonia"
)
FILE, COLUMNS = FORM.file, FORM.columns
