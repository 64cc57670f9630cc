import pickle
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
import torch

from lab_utils.data import Split, batch_indices, check_disjoint, smaller, split_by_image, split_by_patient, subset

FINDINGS = ("common", "frequent", "seldom", "rare")
PREVALENCE = torch.tensor([0.4, 0.2, 0.1, 0.005])


def make_split(n: int = 12, *, per_patient: int = 1, task: str = "binary") -> Split:
    """Image i is filled with the value i, so that it can be recognised."""
    images = (torch.arange(n) % 256).to(torch.uint8)[:, None, None, None]
    draw = torch.rand(n, 4, generator=torch.Generator().manual_seed(5))
    if task == "multilabel":
        names, labels = FINDINGS, (draw < PREVALENCE).float()
        labels[draw > 0.95] = -1
    else:
        names = ("normal", "sick") if task == "binary" else ("a", "b", "c")
        labels = (torch.arange(n) // per_patient) % len(names)
    return Split(
        images.expand(n, 1, 4, 4).clone(),
        labels,
        torch.arange(n) // per_patient,
        task,
        names,
    )


def positions(split: Split) -> list[int]:
    return split.images[:, 0, 0, 0].tolist()


def test_properties_describe_the_images():
    split = make_split(task="multilabel")
    assert (len(split), split.num_classes, split.in_channels, split.image_size) == (
        12,
        4,
        1,
        4,
    )


def test_take_keeps_image_label_and_patient_together():
    split = make_split(12, per_patient=3)
    chosen = split.take([7, 0, 7])
    assert positions(chosen) == [7, 0, 7]
    assert chosen.labels.tolist() == [0, 0, 0]
    assert chosen.groups.tolist() == [2, 0, 2]
    mask = split.groups == 1
    assert positions(split.take(mask)) == positions(split.take(np.array([3, 4, 5])))


@pytest.mark.parametrize("indices", [[], [-1], [12], [0.5], torch.ones(3).bool()])
def test_take_refuses_positions_outside_the_split(indices):
    with pytest.raises(ValueError, match=r"take\(\) expects"):
        make_split(12).take(indices)


def test_pickle_of_a_part_holds_the_part_only():
    part = make_split(200).take([1, 2])
    data = pickle.dumps(part)
    assert len(data) < len(pickle.dumps(make_split(200))) / 2
    assert torch.equal(pickle.loads(data).images, part.images)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_to_moves_every_tensor_and_take_follows():
    moved = make_split().to("cuda").take([3, 1])
    devices = {t.device.type for t in (moved.images, moved.labels, moved.groups)}
    assert devices == {"cuda"}
    assert positions(moved) == [3, 1]


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("seed", range(5))
def test_no_patient_is_on_two_sides_and_no_image_is_lost(task, seed):
    split = make_split(240, per_patient=4, task=task)
    parts = split_by_patient(split, (0.6, 0.2, 0.2), seed=seed)
    check_disjoint(*parts)
    assert sorted(chain.from_iterable(map(positions, parts))) == list(range(240))
    assert [len(part) for part in parts] == [144, 48, 48]


def test_parts_of_a_patient_split_hold_the_classes_evenly():
    split = make_split(240, per_patient=4, task="multiclass")
    for part in split_by_patient(split, (0.5, 0.25, 0.25), seed=1):
        shares = torch.bincount(part.labels) / len(part)
        assert (shares - 1 / 3).abs().max() < 0.05


def test_one_seed_gives_one_split_and_another_seed_another():
    split = make_split(80, per_patient=2)
    first, again, other = (positions(split_by_patient(split, (0.5, 0.5), seed=seed)[0]) for seed in (3, 3, 4))
    assert first == again != other


def test_split_by_image_leaks_patients_and_check_disjoint_names_them():
    parts = split_by_image(make_split(40, per_patient=20), (0.5, 0.5), seed=0)
    with pytest.raises(ValueError, match=r"2 patients .* split 0 and split 1: 0, 1\."):
        check_disjoint(*parts)


@pytest.mark.parametrize("fractions", [(0.5, 0.4), (1.0,), (1.2, -0.2), (0.5, 0.6)])
def test_fractions_must_add_up_to_one(fractions):
    with pytest.raises(ValueError, match="add up to 1"):
        split_by_patient(make_split(), fractions, seed=0)


def test_a_part_without_patients_is_refused():
    with pytest.raises(ValueError, match="do not fill the fractions"):
        split_by_patient(make_split(12, per_patient=6), (0.9, 0.05, 0.05), seed=0)


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_subsets_of_one_seed_are_nested(task):
    split = make_split(200, task=task)
    large = positions(subset(split, 100, seed=2))
    assert positions(subset(split, 30, seed=2)) == large[:30]
    assert len(set(large)) == 100
    assert positions(subset(split, 30, seed=3)) != large[:30]
    assert sorted(positions(subset(split, 200, seed=2))) == list(range(200))


def test_subset_keeps_class_shares():
    labels = torch.tensor([0] * 150 + [1] * 40 + [2] * 10)
    split = make_split(200, task="multiclass")
    split = Split(split.images, labels, split.groups, "multiclass", ("a", "b", "c"))
    for n in (20, 40, 100):
        counts = torch.bincount(subset(split, n, seed=7).labels)
        assert (counts - n * torch.tensor([0.75, 0.20, 0.05])).abs().max() <= 2
    assert set(subset(split, 3, seed=7).labels.tolist()) == {0, 1, 2}


@pytest.mark.parametrize("seed", range(5))
def test_multilabel_subset_keeps_prevalences_and_holds_every_finding(seed):
    split = make_split(2000, task="multilabel")
    whole = (split.labels == 1).float().mean(0)
    for n in (50, 200, 800):
        labels = subset(split, n, seed=seed).labels
        assert ((labels == 1).sum(0) > 0).all()
        drawn = (labels == 1).float().mean(0)
        random_sd = (whole * (1 - whole) / n).sqrt()
        assert ((drawn - whole).abs() < 2.5 * random_sd + 1 / n).all()
    tiny = subset(split, 4, seed=seed).labels
    assert ((tiny == 1).sum(0) > 0).all()


@pytest.mark.parametrize("n", [0, 13])
def test_subset_refuses_impossible_sizes(n):
    with pytest.raises(ValueError, match=f"n from 1 to 12.*got n = {n}"):
        subset(make_split(12), n, seed=0)


def test_batches_visit_every_image_once_in_a_seeded_order():
    def epoch(seed: int) -> list[list[int]]:
        generator = torch.Generator().manual_seed(seed)
        return [b.tolist() for b in batch_indices(20, 8, generator=generator)]

    assert [len(batch) for batch in epoch(0)] == [8, 8, 4]
    assert sorted(chain.from_iterable(epoch(0))) == list(range(20))
    assert epoch(0) == epoch(0) != epoch(1)


@pytest.mark.parametrize(
    ("n", "batch_size", "sizes"),
    [(9, 4, [4, 4]), (10, 4, [4, 4, 2]), (3, 1, [1, 1, 1]), (1, 4, [1])],
)
def test_only_a_last_batch_of_one_image_is_left_out(n, batch_size, sizes):
    generator = torch.Generator().manual_seed(0)
    batches = batch_indices(n, batch_size, generator=generator)
    assert [len(batch) for batch in batches] == sizes


def test_two_epochs_of_one_generator_differ():
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.cat(list(batch_indices(50, 10, generator=generator))) for _ in range(2))
    assert not torch.equal(first, second)


def test_a_split_shows_itself_in_a_line_and_its_notes_never_its_pixels() -> None:
    split = Split(
        torch.zeros(4, 1, 8, 8, dtype=torch.uint8),
        torch.tensor([0, 1, 0, 1]),
        torch.tensor([5, 5, 6, 7]),
        "binary",
        ("normal", "pneumonia"),
        notes=("Nobody knows the patients.",),
    )
    assert repr(split) == (
        "Split(4 binary images of 1 x 8 x 8, 3 patients, classes: normal, pneumonia, on cpu)\n"
        "  note: Nobody knows the patients."
    )
    assert split.take([0, 3]).notes == subset(split, 2, seed=0).notes == split.to("cpu").notes == split.notes


def test_fewer_pixels_are_means_of_those_they_cover():
    images = torch.tensor([[10, 20, 0, 0], [30, 41, 0, 0], [0, 0, 255, 255], [0, 0, 255, 254]], dtype=torch.uint8)
    split = replace(make_split(2), images=images.expand(2, 1, 4, 4).clone())
    assert smaller(split, 2).images[1, 0].tolist() == [[25, 0], [0, 255]]
    assert smaller(split, 4) is split
    assert torch.equal(smaller(split, 2).labels, split.labels)


@pytest.mark.parametrize("side", [0, 5])
def test_more_pixels_than_there_are_are_refused(side):
    with pytest.raises(ValueError, match="at least"):
        smaller(make_split(2), side)
