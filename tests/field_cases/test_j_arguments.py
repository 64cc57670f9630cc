"""Kind J: what an entrance is given that it does not take is refused with its name, what came and what to do."""

import importlib
import inspect
import re
from dataclasses import is_dataclass
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from lab_utils.data import Augment, load_data, load_phantoms, make_phantoms, make_photos
from lab_utils.data.public.known import PUBLIC
from lab_utils.metrics import compare_steps, interval_text, restricted_mean, steps_to_reach
from lab_utils.networks import build_model
from lab_utils.show import plot_curves
from lab_utils.similarity import (
    bootstrap,
    cca,
    collect_activations,
    extract_features,
    linear_cka,
    mean_cca,
    null,
    pwcca,
    svcca,
)
from lab_utils.studies import combinations, run_grid
from lab_utils.training import evaluate, fit, predict
from tests.refusals import refuses
from tests.tiny import TinyNet, tiny_split

RNG = np.random.default_rng(3)
ACTS_X = RNG.normal(size=(60, 3))
ACTS_Y = ACTS_X + RNG.normal(size=(60, 3))


def result(**config):
    return {"seen": sum(config.values())}


# ---- run_grid
GRID = r"grid must be a list with one dict.*got.*combinations\(seed="
GRIDS = [({"grid": grid}, GRID) for grid in ({"seed": [0, 1]}, None, "seeds", [1, 2], 5, result, [{"seed": 0}, 1])]
GRIDS += [({"grid": pd.DataFrame({"seed": [0, 1]})}, "grid must be a list.*got str in a DataFrame")]  # its columns
GRIDS += [({"function": function}, "function to be a function") for function in (None, "fit", {"seen": 1})]
GRIDS += [({"workers": n}, "workers to be a whole number of at least 1") for n in ("2", 2.5, True, 0, -1)]


@pytest.mark.parametrize(("change", "words"), GRIDS)
def test_what_makes_no_grid_is_refused_before_the_first_run(change, words):
    given = {"function": result, "grid": [{"seed": 0}], "workers": 1} | change
    refuses(words, run_grid, given["function"], given["grid"], workers=given["workers"], progress=False)


def test_grids_of_any_kind_of_list_run():
    for grid in (combinations(seed=[0, 1]), ({"seed": i} for i in range(2)), ({"seed": 0}, {"seed": 1})):
        assert list(run_grid(result, grid, workers=np.int64(1), progress=False)["seen"]) == [0, 1]


# ---- similarity
MEASURES = [mean_cca, svcca, pwcca, linear_cka, lambda x, y: cca(x, y)[0]]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    "form", [pd.DataFrame, torch.from_numpy, np.ndarray.tolist, lambda a: a.astype(">f8"), lambda a: a.astype(object)]
)
def test_activations_of_any_container_give_what_their_numbers_give(measure, form):
    assert measure(form(ACTS_X), form(ACTS_Y)) == pytest.approx(measure(ACTS_X, ACTS_Y), abs=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "acts_x must be an array"),
        ("layer1", "acts_x must be numbers, got 'layer1'"),
        ({"layer1": ACTS_X}, "acts_x must be numbers"),
        (ACTS_X.astype("U8").astype(object) + "a", "acts_x must be numbers"),
        (ACTS_X + 1j, "acts_x must be real numbers"),
    ],
)
def test_what_is_no_activation_is_refused(measure, given, words):
    refuses(words, measure, given, ACTS_Y)


@pytest.mark.parametrize("threshold", ["0.9", None, True, 99, float("nan"), 0, 1.01])
def test_the_threshold_of_svcca_is_a_share(threshold):
    refuses("threshold", svcca, ACTS_X, ACTS_Y, threshold=threshold)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"draws": "5"}, "draws to be a whole number"),
        ({"draws": 2.5}, "draws to be a whole number"),
        ({"seed": "x"}, "seed to be a whole number"),
        ({"seed": None}, "seed to be a whole number"),
        ({"measure": "cca"}, "measure to be a function"),
    ],
)
@pytest.mark.parametrize("draw", [null, bootstrap])
def test_settings_of_draws_are_checked_first(draw, change, words):
    settings = {"measure": mean_cca, "acts_x": ACTS_X, "acts_y": ACTS_Y, "draws": 2}
    refuses(words, draw, **{**settings, **change})


def test_unknown_images_of_a_similarity_are_named_by_their_argument():
    with pytest.raises(ValueError, match="images must name the patient of each image, but 60 of 60"):
        bootstrap(mean_cca, ACTS_X, ACTS_Y, np.full(60, np.nan), draws=2)


def collect(model, split, **settings):
    return collect_activations(model, split.images, **settings)


# ---- networks
@pytest.mark.parametrize("batch_size", ["64", None, 2.5, True, 0, -1, float("nan")])
@pytest.mark.parametrize(
    "use", [predict, evaluate, extract_features, lambda m, s, **k: collect_activations(m, s.images, **k)]
)
def test_batch_sizes_are_whole_numbers_wherever_images_enter(use, batch_size):
    refuses("batch_size to be a whole number of at least 1", use, TinyNet(), tiny_split(), batch_size=batch_size)
    assert use(TinyNet(), tiny_split(), batch_size=np.int64(4)) is not None


# ---- curves
@pytest.mark.parametrize("goal", ["0.5", None, True])
def test_goals_and_horizons_are_numbers(goal):
    refuses("threshold to be a number", steps_to_reach, [0, 1], [0.1, 0.9], goal)
    refuses("horizon to be a number", restricted_mean, [1, 2], [True, True], goal)
    refuses("horizon to be a number", compare_steps, [1, 2], [1, 1], [2, 3], [1, 1], horizon=goal)


# ---- data
@pytest.mark.parametrize("images", [0, "2", 2.5, None, True])
def test_images_of_a_patient_are_a_whole_number(images):
    with pytest.raises(ValueError, match="images_per_patient to be a whole number"):
        load_data("phantoms", n_train=2, n_val=2, n_test=2, images_per_patient=images)


@pytest.mark.parametrize("findings", [5, "Edema", ["nodule"], [["Edema"]]])
def test_findings_are_a_list_of_known_names(findings):
    refuses("findings must be a list of names", make_phantoms, 2, findings=findings)


@pytest.mark.parametrize("argument", ["root", "cache"])
def test_folders_are_paths(argument):
    refuses(f"{argument} to be a path, such as .*, or None, got 5", load_data, "phantoms", **{argument: 5})


def test_small_types_of_numpy_are_numbers_too(tmp_path):
    made = make_phantoms(np.uint8(4), size=np.uint8(64), seed=np.uint8(200), start=np.int8(8))
    assert torch.equal(made.images, make_phantoms(4, seed=200, start=8).images)
    kept = [
        load_phantoms(n, size=64, seed=seed, cache=tmp_path) for n, seed in ((4, 200), (np.int16(4), np.uint8(200)))
    ]
    assert torch.equal(kept[0].images, kept[1].images)
    assert len(list(tmp_path.iterdir())) == 1  # one file for one set
    read = load_data("phantoms", n_train=np.uint8(2), n_val=2, n_test=2, seed=np.uint8(3), cache=tmp_path)
    assert len(read["train"]) == 2


def test_a_split_never_prints_its_pixels():
    split = tiny_split()
    shown = [str(split), f"{split}", repr({"train": split}), repr([split]), repr(partial(fit, train=split))]
    assert all("Split(" in text and "tensor" not in text and len(text) < 300 for text in shown)


# ---- True or False
def _fit(**option):
    return fit(TinyNet(), tiny_split(), steps=1, device="cpu", **{"progress": False} | option)


FLAGS = {
    ("Augment", "flip"): Augment,
    ("build_model", "keep_head"): partial(build_model, "resnet10_w16", num_classes=2),
    ("cca", "guard"): partial(cca, ACTS_X, ACTS_Y),
    ("chexpert", "frontal"): partial(load_data, "chexpert", root="nowhere"),
    ("collect_activations", "pooled"): partial(collect_activations, TinyNet(), tiny_split().images),
    ("fit", "keep_best"): _fit,
    ("fit", "progress"): _fit,
    ("interval_text", "sign"): partial(interval_text, 0.1, 0.0, 0.2),
    ("linear_cka", "debiased"): partial(linear_cka, ACTS_X, ACTS_Y),
    ("load_folder", "redivide"): partial(load_data, "folder", root="nowhere"),
    ("load_medmnist", "verify"): partial(load_data, "retinamnist"),
    ("make_phantoms", "progress"): partial(make_phantoms, 1),
    ("make_photos", "colour"): partial(make_photos, 1),
    ("mean_cca", "guard"): partial(mean_cca, ACTS_X, ACTS_Y),
    ("nih14", "official"): partial(load_data, "nih14", root="nowhere"),
    ("plot_curves", "log"): partial(plot_curves, [1, 2], [1, 2]),
    ("pwcca", "guard"): partial(pwcca, ACTS_X, ACTS_Y),
    ("run_grid", "progress"): partial(run_grid, result, [{"seed": 0}]),
    ("svcca", "guard"): partial(svcca, ACTS_X, ACTS_Y),
}
RESULTS = {"LRRange", "Row", "Run", "Weights"}  # what the kit makes, not what people call


def test_the_table_of_options_that_are_true_or_false_is_complete():
    rooms = ("data", "networks", "transfer", "training", "metrics", "similarity", "show", "studies")
    faces = [importlib.import_module(f"lab_utils.{room}") for room in rooms]
    public = {name: getattr(face, name) for face in faces for name in dir(face) if not name.startswith("_")} | PUBLIC
    found = set()
    for name, one in public.items():
        if name not in RESULTS and (inspect.isfunction(one) or (inspect.isclass(one) and is_dataclass(one))):
            options = inspect.signature(one).parameters.values()
            found |= {
                (name, option.name) for option in options if re.search(r"(?<![\w.])bool\b", str(option.annotation))
            }  # not numpy.bool, of an array
    assert found == set(FLAGS)


@pytest.mark.parametrize("value", ["no", "False", 0, 1.0])
@pytest.mark.parametrize(("name", "option"), FLAGS, ids="-".join)
def test_an_option_that_is_true_or_false_is_nothing_else(name, option, value):
    words = rf"Expected {option} to be True or False, got .*Write {option}=True or {option}=False, without quotes"
    refuses(words, FLAGS[name, option], **{option: value})
