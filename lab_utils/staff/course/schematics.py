"""The picture at the top of each lab, drawn from code: ``python -m lab_utils.staff.course.schematics`` draws them all.

``build`` puts each into its notebook, where a text has ``(attachment:02_freezing.png)``. The files lie in
data/schematics, since the bytes of a PNG differ from one version of Matplotlib to the next, and a lab must not.
"""

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from PIL import Image

from lab_utils.atomic import write_whole
from lab_utils.profile import data_root
from lab_utils.show import WIDTH, colour_of, look_of, set_style
from lab_utils.staff.course.shapes import INK, arrow, box, image, network, say

RANDOM, PRETRAINED = colour_of("random"), colour_of("transfer")


def folder() -> Path:
    """Where the pictures lie: a PNG for each notebook, under its name."""
    return data_root() / "schematics"


def main() -> None:
    """Draw every picture and write it."""
    folder().mkdir(parents=True, exist_ok=True)
    for name in PICTURES:
        write_whole(folder() / f"{name}.png", partial(drawn(name).save, format="PNG", optimize=True))


def drawn(name: str) -> Image.Image:
    """The picture of a notebook: 1,400 dots wide, in 128 colours."""
    set_style()
    draw, height = PICTURES[name]
    figure = plt.figure(figsize=(WIDTH, height), layout="none")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, 70), ylim=(0, 10 * height))
    ax.set_axis_off()
    draw(ax)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=200)
    plt.close(figure)
    return Image.open(file).convert("RGB").quantize(128)


def split_by_patient(ax: Axes) -> None:
    """Lab 0: the same patients on both sides of a split by image, and on one side each of a split by patient."""
    for left, title, sides in (
        (1, "split by image", ("ABCDABC", "BAC")),
        (38, "split by patient", ("AABBBAA", "CCD")),
    ):
        say(ax, left + 16, 18.5, title, weight="bold")
        for start, name, patients in ((0, "training", sides[0]), (22, "test", sides[1])):
            box(ax, left + start, 3, 3 * len(patients) - 0.4, 11, "0.95")
            say(ax, left + start + 1.5 * len(patients), 15.5, name)
            for place, patient in enumerate(patients):
                seen = patient in sides[0] and name == "test"
                colour = str(0.85 - 0.18 * "ABCD".index(patient))
                box(ax, left + start + 3 * place + 0.3, 6, 2, 5, "#d55e00" if seen else colour, patient)
    say(ax, 17, 0.9, "the test shows patients that training has seen")
    say(ax, 53, 0.9, "the test shows new patients only")


def feature_extraction(ax: Axes) -> None:
    """Lab 1: a frozen backbone makes features of each stage; a linear probe is fitted on them."""
    network(ax, 12, 12, 20, [PRETRAINED] * 5)
    image(ax, 1, 12)
    arrow(ax, (8.5, 15), (11.5, 15))
    say(ax, 31, 19.7, "backbone, frozen: trained on other images", weight="bold")
    for place in range(5):
        x = 15.4 + 8 * place
        arrow(ax, (x, 11.6), (x, 7.7))
        box(ax, x - 2.6, 4.5, 5.2, 3, "0.9", "features" if place == 2 else "")
    arrow(ax, (50.5, 6), (55.5, 6))
    box(ax, 56, 3.5, 12.5, 5, colour_of("random"), "linear probe")
    say(ax, 62.2, 1.7, "all that is trained")
    say(ax, 31, 1.7, "means over the map, one vector for an image")


def freezing(ax: Axes) -> None:
    """Lab 2: no gradient reaches a frozen backbone, but in train mode its running statistics move."""
    image(ax, 1, 12)
    arrow(ax, (8.5, 15), (11.5, 15))
    network(ax, 12, 12, 20, [PRETRAINED] * 5)
    box(ax, 53, 12, 8, 6, RANDOM, "head")
    say(ax, 31, 19.7, "weights: no gradient, no step, no change", weight="bold")
    say(ax, 57, 19.7, "trained", weight="bold")
    arrow(ax, (61, 10.5), (54, 10.5), colour="0.4")
    say(ax, 63.5, 10.3, "gradient", ha="left", size=9)
    for place in range(5):
        x = 15.4 + 8 * place
        box(ax, x - 3.8, 4.5, 7.6, 3.2, "white", "mean, var", edge="#d55e00")
        arrow(ax, (x, 11.6), (x, 8), colour="#d55e00")
    say(ax, 31, 1.7, "batch norm's running statistics move with every batch in train mode", colour="#d55e00")


def fine_tuning(ax: Axes) -> None:
    """Lab 3: the backbone is copied, the head is new, and the lower stages take smaller steps."""
    say(ax, 4.5, 17.2, "source\ntask", ha="center")
    network(ax, 12, 14.5, 20, [PRETRAINED] * 5, height=5.5)
    box(ax, 53, 14.5, 14, 5.5, "0.8", "1,000 classes")
    say(ax, 4.5, 6.2, "your\ntask", ha="center")
    network(ax, 12, 3.5, 20, [PRETRAINED] * 5, height=5.5)
    box(ax, 53, 3.5, 14, 5.5, RANDOM, "new head")
    for place in range(5):
        arrow(ax, (15.4 + 8 * place, 14.2), (15.4 + 8 * place, 9.4))
    say(ax, 60, 11.8, "not copied")
    say(ax, 32, 1.5, "steps of training:  small near the image  $\\longrightarrow$  large at the head")


def cbr_and_resnet(ax: Axes) -> None:
    """Lab 4: a CBR block is a plain chain; a ResNet block has a way around."""
    say(ax, 17, 19.3, "CBR: a chain", weight="bold")
    cbr, resnet = look_of("cbr_tiny")["color"], look_of("resnet18")["color"]
    for place, word in enumerate(("conv", "batch\nnorm", "ReLU", "max\npool")):
        box(ax, 2 + 8 * place, 6, 6, 7, cbr, word)
        arrow(ax, (8 + 8 * place, 9.5), (9.8 + 8 * place, 9.5))
    say(ax, 17, 2.5, "four or five such blocks")
    say(ax, 54, 19.3, "ResNet: a chain and a way around", weight="bold")
    for place, word in enumerate(("conv\nnorm\nReLU", "conv\nnorm", "+", "ReLU")):
        box(ax, 40 + 7.5 * place, 6, 5.5, 7, resnet, word)
        arrow(ax, (45.5 + 7.5 * place, 9.5), (47.3 + 7.5 * place, 9.5))
    ax.add_patch(
        FancyArrowPatch((38.2, 9.9), (57.5, 13.2), connectionstyle="arc3,rad=-0.35", arrowstyle="-|>",
                        mutation_scale=12, color=INK, lw=1.4)
    )  # fmt: skip
    arrow(ax, (37.5, 9.5), (39.8, 9.5))
    say(ax, 54, 2.5, "ResNet-18: eight such blocks")


def cca_clouds(ax: Axes) -> None:
    """Lab 5: two clouds of the same images in two networks, and the direction in which they agree most."""
    rng = np.random.default_rng(0)
    shared, noise = rng.standard_normal(60), rng.standard_normal((2, 60))
    clouds = []
    for left, angle, own in ((2, 0.5, noise[0]), (27, -0.9, noise[1])):
        points = np.stack([shared + 0.25 * own, 0.9 * own[::-1]])
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        x, y = turn @ points
        ax.scatter(left + 10 + 3.4 * x, 10.5 + 2.6 * y, c=shared, cmap="cividis", s=14, lw=0)
        step = np.array([np.cos(angle) * 3.4, np.sin(angle) * 2.6]) * 2.6
        ax.annotate(
            "", (left + 10 + step[0], 10.5 + step[1]), (left + 10 - step[0], 10.5 - step[1]),
            arrowprops={"arrowstyle": "-|>", "color": "#d55e00", "lw": 2.2, "mutation_scale": 14},
        )  # fmt: skip
        clouds.append(points[0])
    say(ax, 12, 20.3, "layer of network X", weight="bold")
    say(ax, 37, 20.3, "layer of network Y", weight="bold")
    ax.scatter(52 + 5.5 + 2.1 * clouds[0], 10.5 + 2.1 * clouds[1], c=shared, cmap="cividis", s=14, lw=0)
    say(ax, 58, 20.3, "along both arrows", weight="bold")
    say(ax, 58, 1.4, f"correlation {np.corrcoef(*clouds)[0, 1]:.2f}")
    say(ax, 24.5, 1.4, "each dot is an image, the same in both; CCA finds the arrows")


def transfusion(ax: Axes) -> None:
    """Lab 6: transfusion copies the lower stages; Mean Var draws every weight anew, with its old mean and spread."""
    for y, name, colours in (
        (17.5, "transfer", [PRETRAINED] * 5),
        (11, "transfusion\nup to stage 2", [PRETRAINED] * 3 + [RANDOM] * 2),
        (4.5, "Mean Var", [colour_of("Mean Var")] * 5),
    ):
        say(ax, 6, y + 2.2, name)
        network(ax, 12, y, 20, colours, height=4.6)
    for y, words in ((19.8, "all pretrained"), (13.2, "lower stages pretrained,\nrest random")):
        say(ax, 52.5, y, words, ha="left", size=9)
    say(ax, 52.5, 6.6, "drawn anew, same mean\nand spread: no features", ha="left", size=9)
    say(ax, 38, 1.6, "How much of the gain is in which stage? How much is only the scale?")


def four_suspects(ax: Axes) -> None:
    """Lab 7: distance of the source, size of the target, and two networks that see an image differently."""
    for place, shade in enumerate((0.35, 0.75, 0.55, 0.85, 0.45, 0.65)):
        box(ax, 1 + 4.4 * (place % 3), 7.2 + 4.4 * (place // 3), 4, 4, str(shade))
    for left, right in ((21, 15), (20, 26)):
        arrow(ax, (left, 11.4), (right, 11.4))
    for place in range(2):
        image(ax, 29 + 4.4 * place, 13, side=4)
    for place in range(4):
        image(ax, 27 + 4.4 * place, 5.6, side=4)
    say(ax, 42, 15, "or", ha="center")
    for left, kind in ((48, "cbr_tiny"), (60, "small_vit")):
        for place in range(9):
            x, y = left + 3 * (place % 3), 6.8 + 3 * (place // 3)
            near = kind == "small_vit" or place in (0, 1, 3, 4)
            box(ax, x, y, 2.6, 2.6, look_of(kind)["color"] if near else "0.9")
            if kind == "small_vit" and place != 4:
                ax.plot([left + 4.3, x + 1.3], [11.1, y + 1.3], color="white", lw=1)
    for middle, words, below in (
        (7.5, "source", "photos, phantoms ..."),
        (20.5, "distance", ""),
        (35.5, "target", "size: few images, or many"),
        (52.3, "CNN", "sees neighbours"),
        (64.3, "transformer", "sees all at once"),
    ):
        say(ax, middle, 19.5 if words != "distance" else 13.6, words, weight="bold")
        say(ax, middle, 4, below, size=9)
    say(ax, 35, 1.2, "Which of them makes the gain? Change one, keep the others.")


def two_hospitals(ax: Axes) -> None:
    """Homework 4: training and validation come from one hospital, the test from another."""
    box(ax, 1, 4, 30, 14, "0.95")
    say(ax, 16, 19.5, "hospital A", weight="bold")
    for place, (name, count) in enumerate((("training", 3), ("validation", 2))):
        for i in range(count):
            image(ax, 2.5 + 17 * place + 4.5 * i, 9, side=4, shade=0.6)
        say(ax, 2.5 + 17 * place + 2.2 * count, 6.5, name)
    arrow(ax, (32, 11), (38, 11))
    say(ax, 35, 13, "deployed")
    box(ax, 39, 4, 30, 14, "0.95")
    say(ax, 54, 19.5, "hospital B", weight="bold")
    for i in range(5):
        image(ax, 41 + 5.4 * i, 9, side=4, shade=0.35)
    say(ax, 54, 6.5, "test: other machine, other patients")
    say(ax, 35, 1.5, "Validation is high and the test is low. Why, and what helps?")


PICTURES: dict[str, tuple[Callable[[Axes], None], float]] = {  # notebook -> what draws, inches high
    "00_start_here": (split_by_patient, 2.0),
    "01_feature_extraction": (feature_extraction, 2.15),
    "02_freezing": (freezing, 2.15),
    "03_fine_tuning": (fine_tuning, 2.15),
    "04_cbr_vs_resnet": (cbr_and_resnet, 2.1),
    "05_cca": (cca_clouds, 2.2),
    "06_weight_transfusion": (transfusion, 2.35),
    "07_what_makes_transfer_work": (four_suspects, 2.15),
    "homework4": (two_hospitals, 2.1),
}

if __name__ == "__main__":
    main()
