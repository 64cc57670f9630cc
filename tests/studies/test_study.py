"""Studies: every line runs on stand-ins, what is done is kept, the report says what it is, numbers are as printed."""

import math
import re

import numpy as np
import pandas as pd
import pytest
import torch

from lab_utils.__main__ import main
from lab_utils.data import FINDINGS
from lab_utils.networks import blocks
from lab_utils.similarity import svcca
from lab_utils.studies import (
    chexpert_project,
    engine,
    report,
    stand_ins,
    starting,
    transfusion,
    what_works,
)
from lab_utils.studies.reproduction import leading, svccas
from lab_utils.studies.study import STUDIES, by_seed, chosen, named, rows_of


@pytest.fixture(autouse=True)
def _smoke(monkeypatch):
    monkeypatch.setenv("LAB_PROFILE", "smoke")  # for studies of drawn images; the others are small without real ones


def small(name, tmp_path, **only):
    task = engine.task_of(name, {}, {}, tmp_path)
    return task, {key: str(value) for key, value in only.items()}


ONE_RUN = {  # a configuration of each study that is quick
    "transfusion": {"network": "cbr_tiny", "start": "slim:block2", "seed": 0},
    "reproduction": {"network": "resnet50", "start": "random", "divided": "by patient", "seed": 0},
    "chexpert_project": {"network": "cbr_tiny", "n": 16, "seed": 0},
    "what_works": {"network": "resnet50", "data": "isic2019", "start": "random"},
    "claims": {"network": "resnet10_w32", "seed": 0},
    "family": {"network": "cbr_tiny", "seed": 0},
}


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_runs_is_kept_and_reported_before_and_after(name, tmp_path, monkeypatch):
    task, only = small(name, tmp_path, **ONE_RUN[name])
    before = report.page_of(task, pd.DataFrame(engine.finished(task)), "command")
    assert ("SMOKE" if named(name).drawn else "STAND-INS") in before
    assert "0 of " in before
    begun = []
    monkeypatch.setattr(engine, "remove_whole", lambda path: begun.append(path.is_file()) or path.unlink())
    runs = engine.run_study(task, only, workers=1, progress=False)
    assert len(runs) == 1
    assert begun == [True]  # its training had a checkpoint
    page, table, *drawn = report.write_report(task, "the command")
    text = page.read_text("utf-8")
    assert "<b>1 of " in text
    assert "the command" in text
    assert "agrees" not in re.sub(r"<i>agrees</i>|\.agrees", "", text)  # stand-ins are not judged
    assert len(pd.read_csv(table)) == 1
    if drawn:
        assert drawn[0].name == "curves.csv"
        assert len(drawn) - 1 == text.count("<img ")
        assert set(pd.read_csv(drawn[0])["picture"]) == set(re.findall(r'<img alt="([^"]*)"', text))
    again = engine.run_study(task, only, workers=1, progress=False)
    assert again["seconds"].tolist() == runs["seconds"].tolist()  # read, not run
    assert not list(tmp_path.glob("*.pt"))


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("whole", [False, True])
def test_every_configuration_is_different_and_says_what_a_plan_needs(name, whole):
    configs = named(name).grid(whole)
    assert len({tuple(config.items()) for config in configs}) == len(configs)
    for config in configs:
        assert config["data"] in named(name).sets
        assert {"network", "start", "seed", "n", "batch_size"} <= set(config)
        assert {"steps", "epochs"} & set(config)


def test_a_seed_more_changes_no_other_run(tmp_path):
    task, only = small("transfusion", tmp_path, network="cbr_tiny", start="random", n=16)
    two = engine.run_study(task, only, workers=1, progress=False).set_index("seed")["auroc"]
    task, only = small("transfusion", tmp_path / "alone", network="cbr_tiny", start="random", seed=1, n=16)
    alone = engine.run_study(task, only, workers=1, progress=False).set_index("seed")["auroc"]
    assert alone[1] == two[1]
    assert two[0] != two[1]


@pytest.mark.parametrize("name", stand_ins.TASKS)
def test_a_stand_in_has_the_task_and_channels_of_its_set(name):
    task, channels = stand_ins.TASKS[name]
    for split in stand_ins.stand_in(name, 32).values():
        assert (split.task, split.in_channels, split.image_size) == (task, channels, 32)
    classes = {"multilabel": 5, "ordinal": 5, "binary": 2, "multiclass": 8}[task]
    assert split.num_classes == classes


def test_the_command_plans_runs_and_reports(tmp_path, capsys):
    call = [
        "study",
        "transfusion",
        "--keep",
        str(tmp_path),
        "--only",
        "network=cbr_tiny",
        "start=random",
        "seed=0",
        "n=16",
    ]
    assert main([*call, "--plan"]) == 0
    planned = capsys.readouterr().out
    assert "1 runs, 0 of them done" in planned
    assert "chexpert: A STAND-IN" in planned
    assert re.search(r"cbr_tiny +chexpert +32 +1 ", planned)
    assert not list(tmp_path.glob("*.json"))
    assert main([*call, "--workers", "1"]) == 0
    assert "STAND-INS" in capsys.readouterr().out
    assert len(list(tmp_path.glob("*.json"))) == 1
    (tmp_path / "report.html").unlink()
    assert main([*call, "--report"]) == 0
    assert (tmp_path / "report.html").is_file()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (["transfusoin"], "transfusion"),
        (["transfusion", "--only", "network=cbr_tini"], "cbr_tiny"),
        (["transfusion", "--only", "netwrok=cbr_tiny"], "network"),
        (["transfusion", "--only", "network"], "NAME=VALUE"),
        (["transfusion", "--data", "chexprt=/x"], "chexpert"),
        (["family", "--data", "phantoms=/x"], "images are drawn"),
        (["transfusion", "--weights", "resnet5=/x"], "resnet50"),
        (["transfusion", "--weights", "resnet50=/x"], "file of weights of resnet50, but /x is none"),
        (["claims", "--weights", "resnet10_w16=/x"], "Expected no --weights for claims"),
        (["transfusion", "--cluster", "tcp://127.0.0.1:9"], "nobody answers"),
    ],
)
def test_a_wrong_word_is_refused_and_the_nearest_is_named(call, words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("lab_utils.studies.cluster.SECONDS", 1)
    assert main(["study", *call, "--keep", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err


def test_only_takes_what_has_all_of_it():
    configs = [{"a": 1, "b": None}, {"a": 2, "b": 3}]
    assert chosen(configs, {"a": "2"}) == configs[1:]
    assert chosen(configs, {"b": "None"}) == configs[:1]
    with pytest.raises(ValueError, match="no run has all"):
        chosen(configs, {"a": "1", "b": "3"})


def test_runs_are_chosen_by_their_values_in_the_order_of_seeds_without_those_that_measured_nothing():
    runs = pd.DataFrame(
        {"seed": [2, 0, 1, 0], "n": [None, None, None, 5.0], "auroc": [0.2, 0.0, None, 0.5], "start": list("aaaa")}
    )
    assert by_seed(runs, "auroc", n=None).to_dict() == {0: 0.0, 2: 0.2}
    assert rows_of(runs, "auroc", n=5, start="a")["auroc"].tolist() == [0.5]
    assert not len(by_seed(runs, "auroc", start="b"))
    assert not len(by_seed(runs, "kappa"))
    assert not len(by_seed(pd.DataFrame(), "auroc", start="a"))


@pytest.mark.parametrize("network", transfusion.NETWORKS)
def test_every_start_of_the_whole_recipe_of_transfusion_can_be_made(network):
    split = stand_ins.stand_in("chexpert", 32)["train"]
    starts = {config["start"] for config in transfusion.grid(True) if config["network"] == network}
    assert len(starts) >= 8
    for start in starts:
        starting.started(network, start, split, 0, starting.STAND_IN)


FROZEN = {"network": "cbr_large_w", "start": "frozen", "n": "16", "seed": "0"}


def test_what_begins_with_another_findings_weights_gets_those_of_its_seed_which_are_trained_once(tmp_path, monkeypatch):
    found = []
    monkeypatch.setattr(chexpert_project, "evaluate", lambda model, _: found.append(model) or {"auroc": 0.5})
    task = engine.task_of("chexpert_project", {}, {}, tmp_path)
    engine.run_study(task, FROZEN, workers=1, progress=False)
    taught, tuned = (model.state_dict() for model in found)
    kept = torch.load(next(tmp_path.glob("*.network")), weights_only=True)
    backbone = [name for name in kept if not name.startswith("head")]
    assert len(backbone) > 8
    assert all(torch.equal(kept[name], taught[name]) and torch.equal(kept[name], tuned[name]) for name in backbone)
    assert not torch.equal(kept["head.weight"], tuned["head.weight"])
    engine.run_study(task, {**FROZEN, "n": "32"}, workers=1, progress=False)
    assert len(found) == 3
    assert len(list(tmp_path.glob("*.network"))) == 1


def test_a_lost_network_is_asked_for_with_the_way_to_get_it_back(tmp_path):
    task = engine.task_of("chexpert_project", {}, {}, tmp_path)
    config = engine.configs_of(task, FROZEN)[0]
    with pytest.raises(ValueError, match=r"its run failed, or .* ends in \.json, if there is one, and call"):
        engine.run_one(task, **config)


# ---------------------------------------------------------------- what the sources print


def test_the_printed_gains_of_what_works_are_those_computed_from_its_table():
    # facts: 100 (WT / RI - 1), rounded, in the order APTOS, DDSM, ISIC, CheXpert, Camelyon
    expected = {
        "DeiT-S": (30.7, 4.6, 43.1, 7.0, 4.5),
        "Swin-T": (31.5, 7.0, 39.5, 3.2, 3.4),
        "Inception-v3": (4.6, 1.7, 13.5, 0.4, 0.2),
        "ResNet-50": (5.1, 4.1, 19.7, 0.5, 1.3),
    }
    gains = what_works.tables(pd.DataFrame())[1].cells
    found = {name: [cell.printed for cell in gains if cell.row == name] for name in expected}
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=0.051)


def test_the_gain_by_inductive_bias_is_that_of_both_kinds_over_the_same_sets():
    nothing = {cell.row: cell for cell in what_works.by_kind(pd.DataFrame())}
    assert nothing["transformers"].printed == pytest.approx(17.5, abs=0.051)  # facts: means over the printed table
    assert nothing["convolutional networks"].printed == pytest.approx(5.1, abs=0.051)
    assert not nothing["transformers"].values
    rows = [
        {"network": network, "data": data, "start": start, "seed": seed, "measure": measure}
        for network, wt in zip(what_works.NETWORKS, (0.6, 0.8, 0.5, 0.55), strict=True)
        for data in ("aptos", "pcam")
        for start, measure in (("random", 0.5), ("transfer", wt))
        for seed in (0, 1)
    ]
    rows = [row for row in rows if (row["network"], row["data"]) != ("resnet50", "pcam")]  # has not run there
    some = {cell.row: cell for cell in what_works.by_kind(pd.DataFrame(rows))}
    assert some["transformers"].column == "aptos"
    assert some["transformers"].values == pytest.approx((40.0, 40.0))  # mean of 20 and 60 %
    assert some["convolutional networks"].values == pytest.approx((5.0, 5.0))
    assert some["convolutional networks"].printed == pytest.approx((4.6 + 5.1) / 2, abs=0.051)


def project_runs(used: int) -> pd.DataFrame:
    found = {50_000: 0.80, 200_000: 0.84}
    return pd.DataFrame(
        {"network": network, "start": "random", "n": n, "used": min(n, used), "seed": 0, "auroc": auroc + more}
        for n, auroc in found.items()
        for network, more in (("cbr_large_w", 0.0), ("resnet50", 0.02), ("cbr_tiny", -0.01))
    )


def test_the_gain_of_200_000_images_is_judged_only_where_there_are_as_many():
    whole, short = (chexpert_project.tables(project_runs(used))[0].cells[0] for used in (200_000, 160_000))
    assert (whole.printed, whole.column) == (3.3, "gain")
    assert short.printed is None
    assert "160,000" in short.column
    assert short.values == pytest.approx((5.0,))


def test_networks_stand_in_the_order_of_what_they_reach():
    order = chexpert_project.ranking(project_runs(200_000))
    assert order[:3] == ["resnet50", "cbr_large_w", "cbr_tiny"]
    assert set(order) == set(chexpert_project.NETWORKS)


def test_the_tables_hold_what_the_sources_print():
    chest, retina, _ = named("transfusion").tables(pd.DataFrame())
    assert len(chest.cells) == 50
    assert {cell.column for cell in chest.cells} == set(FINDINGS)
    by_place = {(cell.row, cell.column): (cell.printed, cell.spread) for cell in (*chest.cells, *retina.cells)}
    assert by_place["CBR-Tiny, transfer", "Edema"] == (89.81, 1.08)
    assert by_place["ResNet-50, random", "5,000 images"] == (92.2, None)
    assert by_place["CBR-LargeW, random", "all images"] == (None, None)
    aucs = {(cell.row, cell.column): cell.printed for cell in named("reproduction").tables(pd.DataFrame())[0].cells}
    assert aucs["Inception-v3, transfer", "divided by image"] == 93.1
    assert aucs["Inception-v3, transfer", "divided by patient"] is None
    assert [cell.printed for cell in named("chexpert_project").tables(pd.DataFrame())[0].cells] == [3.3, 2.0]


# What is pretrained in WT-ST-n, "keep everything up to t", written out by hand, for t = -1, 0, 1 ...: each line adds to
# those before. The tables of positions stay pretrained whatever t is.
KEPT = {
    "resnet50": [("conv1.",), ("bn1.",), ("layer1.",), ("layer2.",), ("layer3.",), ("layer4.",)],
    "inception_v3": [
        ("Conv2d_1a",), ("Conv2d_2a", "Conv2d_2b"), ("Conv2d_3b",), ("Conv2d_4a",), ("Mixed_5",), ("Mixed_6",),
        ("Mixed_7",),
    ],
    "deit_small_patch16_224": [
        ("patch_embed.", "cls_token", "pos_embed"), ("blocks.0.",), ("blocks.1.",), ("blocks.2.",), ("blocks.3.",),
        ("blocks.4.",), ("blocks.5.",), ("blocks.6.",), ("blocks.7.",), ("blocks.8.",), ("blocks.9.",), ("blocks.10.",),
        ("blocks.11.",), ("norm.",),
    ],
    "swin_tiny_patch4_window7_224": [
        ("patch_embed.",), ("layers.0.blocks.0.",), ("layers.0.blocks.1.",),
        ("layers.1.downsample.", "layers.1.blocks.0."), ("layers.1.blocks.1.",),
        ("layers.2.downsample.", "layers.2.blocks.0."), ("layers.2.blocks.1.",), ("layers.2.blocks.2.",),
        ("layers.2.blocks.3.",), ("layers.2.blocks.4.",), ("layers.2.blocks.5.",),
        ("layers.3.downsample.", "layers.3.blocks.0."), ("layers.3.blocks.1.",), ("norm.",),
    ],
}  # fmt: skip
ALWAYS = ("cls_token", "pos_embed", "relative_position_bias_table")
HEADS = ("fc.", "head.", "AuxLogits.")


@pytest.mark.parametrize("network", what_works.NETWORKS)
def test_the_starts_of_wt_st_n_keep_exactly_the_published_modules(network, monkeypatch):
    split, cuts = stand_ins.stand_in("aptos", 96)["train"], what_works.CUTS[network]
    all_st = starting.started(network, "st", split, 0, starting.STAND_IN)
    names, places = list(all_st.state_dict()), list(blocks(all_st))
    assert len(cuts) == len(KEPT[network])
    for t, cut in enumerate(cuts):  # by names: every t
        below = {id(p) for block in places[: places.index(cut) + 1] for p in blocks(all_st)[block].parameters()}
        kept = {name for name, p in all_st.named_parameters() if id(p) in below and not name.startswith(HEADS)}
        prefixes = tuple(prefix for line in KEPT[network][: t + 1] for prefix in line)
        parameters = {name for name, _ in all_st.named_parameters()}
        assert kept == {name for name in parameters if name.startswith(prefixes) and not name.startswith(HEADS)}, t
    middle = len(cuts) // 2  # by values: one t
    monkeypatch.setattr(starting, "st_init", lambda model, *_, **__: model.load_state_dict(all_st.state_dict()))
    start = starting.started(network, f"st_upto:{cuts[middle]}", split, 0, starting.STAND_IN).state_dict()
    source, drawn = starting.built(network, split, 0, starting.STAND_IN).state_dict(), all_st.state_dict()
    prefixes = tuple(prefix for line in KEPT[network][: middle + 1] for prefix in line)
    for name in (name for name in names if not name.startswith(HEADS)):
        pretrained = name.startswith(prefixes) or name.endswith(ALWAYS)
        assert torch.equal(start[name], source[name] if pretrained else drawn[name]), name
        if pretrained and start[name].ndim > 1 and not name.endswith(ALWAYS):
            assert not torch.equal(source[name], drawn[name])  # or the line above would say nothing


def test_leading_directions_are_all_that_svcca_takes_of_a_layer():
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((400, 5))
    layers = [shared @ rng.standard_normal((5, 30)) + 0.01 * rng.standard_normal((400, 30)) for _ in range(2)]
    runs = pd.DataFrame(
        {"network": "resnet50", "start": "random", "divided": "by patient", "seed": [0, 1],
         "hidden": [leading(layer) for layer in layers]}
    )  # fmt: skip
    assert svccas(runs, "resnet50", "random - random", "by patient") == pytest.approx(
        [svcca(*layers, guard=False)], abs=1e-4
    )


def test_pairs_for_svcca_never_share_a_seed():
    rng = np.random.default_rng(0)
    rows = [(start, seed) for start in ("random", "transfer") for seed in range(3)]
    runs = pd.DataFrame(
        [{"network": "resnet50", "start": start, "divided": "by patient", "seed": seed,
          "hidden": rng.standard_normal((50, 4))} for start, seed in rows]
    )  # fmt: skip
    assert len(svccas(runs, "resnet50", "random - random", "by patient")) == math.comb(3, 2)
    assert len(svccas(runs, "resnet50", "transfer - random", "by patient")) == 3 * 3 - 3


def test_the_printed_table_of_what_works_gives_the_correlations_that_follow_from_it():
    table = what_works.printed_table()
    sets = table.drop_duplicates("data").set_index("data")
    wt, ri, st = (
        table[table["start"] == s].pivot(index="network", columns="data", values="mean") for s in ("WT", "RI", "ST")
    )
    gain = wt / ri - 1
    by_distance = gain.T.corrwith(sets["fid"])[["DeiT-S", "Swin-T", "Inception-v3", "ResNet-50"]]
    by_size = gain.T.corrwith(np.log(sets["n"]))[["DeiT-S", "Swin-T", "Inception-v3", "ResNet-50"]]
    assert by_distance.to_numpy() == pytest.approx([-0.71, -0.75, -0.77, -0.76], abs=0.005)
    assert by_size.to_numpy() == pytest.approx([-0.51, -0.62, -0.39, -0.34], abs=0.005)
    assert np.corrcoef(sets["fid"], np.log(sets["n"]))[0, 1] == pytest.approx(0.77, abs=0.005)
    reuse = (wt - st) / wt
    assert np.corrcoef(gain.to_numpy().ravel(), reuse[gain.columns].to_numpy().ravel())[0, 1] == pytest.approx(
        0.94, abs=0.005
    )
