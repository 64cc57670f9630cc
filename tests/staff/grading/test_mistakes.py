"""Real mistakes are named with the student's own line; right code, and code that leaves a doubt, is left alone."""

import textwrap
from pathlib import Path

import pytest

from lab_utils.staff.feedback.likeness import read_cells
from lab_utils.staff.grading.mistakes import GIVEN_ALL, NEW_CONV, NOT_NORMALISED, TRAINS_FROZEN, find_mistakes

ROOT = Path(__file__).resolve().parents[3]
IMPORTS = "import torch\nfrom torch import nn, optim\nfrom torchvision import models, transforms"
NORMALISE = "tf = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.485] * 3, [0.229] * 3)])"
LOADED = "net = models.resnet18(pretrained=True)\n"
LOOP = """
def train_model(model, loader, optimizer, epochs=5):
    for epoch in range(epochs):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x.to(device)), y.to(device))
            loss.backward()
            optimizer.step()
        model.eval()
        print(epoch, accuracy(model, val_loader))
    return model
"""
FROZEN = """
fixed = models.resnet18(weights="IMAGENET1K_V1")
for param in fixed.parameters():
    param.requires_grad = False
fixed.fc = nn.Linear(512, 2)
fixed = fixed.to(device)
"""


def found(*cells):
    """Return title -> line of the remarks."""
    return {
        remark.title: remark.line for remark in find_mistakes([textwrap.dedent(cell) for cell in (IMPORTS, *cells)])
    }


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "solutions").glob("*.ipynb")))
@pytest.mark.parametrize("folder", ["solutions", "labs"])
def test_our_own_notebooks_get_no_remark(folder, name):
    cells = read_cells(ROOT / folder / name)
    assert cells
    assert find_mistakes(cells) == ()


def test_a_whole_notebook_with_three_mistakes_gets_three_remarks_with_their_lines():
    run = "opt = optim.Adam(fixed.parameters(), lr=1e-3)\ntrain_model(fixed, loader, opt)"
    data = "X = torch.tensor(np.load('normal.npy')).unsqueeze(1).repeat(1, 3, 1, 1) / 255.0"
    assert found(data, LOOP, FROZEN, run) == {
        NOT_NORMALISED: f"line 1 of cell 2: {data}",
        TRAINS_FROZEN: "line 4 of cell 3: model.train()",
        GIVEN_ALL: "line 1 of cell 5: opt = optim.Adam(fixed.parameters(), lr=1e-3)",
    }


@pytest.mark.parametrize(
    "scale",
    ["x = x.float() / 255", "x /= 255.0", "x = x.float().div(255)", "tf = transforms.Compose([transforms.ToTensor()])"],
)
def test_scaling_without_normalisation(scale):
    assert found("m = models.resnet18(pretrained=True)", scale) == {NOT_NORMALISED: f"line 1 of cell 3: {scale}"}


@pytest.mark.parametrize(
    "cell",
    [
        NORMALISE,
        "x = (x / 255 - mean) / std",
        "x = (x / 255.0 - 0.5) / 0.5",
        "x = x / 255 - 0.45",
        "x = x / 255\nx -= x.mean()",
        "x = x / 255\nx = (x - mu) * inverse",
        "tf = weights.transforms()\nx = x / 255",
        "from lab_utils.networks import preprocess\nx = preprocess(model, images)\nplt.imshow(images[0] / 255)",
        "x = x / 255\nx = TF.normalize(x, [0.5], [0.5])",
        "plt.imshow(x[0] / 255, cmap='gray')",
        "x = x / 256",
    ],
)
def test_any_normalisation_anywhere_silences_that_remark(cell):
    assert found("m = models.resnet18(weights='DEFAULT')", cell) == {}


def test_scaling_for_a_network_without_pretrained_weights_is_no_mistake():
    assert found("m = models.resnet18(weights=None)", "x = x / 255") == {}


def test_a_prepare_that_leaves_its_mean_and_std_alone():
    wrong = "def prepare(images, mean, std):\n    return images.float().repeat(1, 3, 1, 1) / 255"
    right = "def prepare(images, mean, std):\n    x = images / 255\n    return TF.standard(x, mean, std)"
    given = "from lab_utils.networks import preprocess"
    assert found(given, wrong) == {NOT_NORMALISED: "line 2 of cell 3: return images.float().repeat(1, 3, 1, 1) / 255"}
    assert found(given, right) == {}


FREEZING = {
    "all, then a new head": FROZEN,
    "in place": 'fixed = models.resnet50(weights="DEFAULT").requires_grad_(False)\nfixed.fc = nn.Linear(2048, 2)',
    "by name": """
        fixed = models.densenet121(pretrained=True)
        for name, p in fixed.named_parameters():
            if "classifier" not in name:
                p.requires_grad = False
        """,
    "by name, the head said first": """
        fixed = models.resnet18(pretrained=True)
        for name, p in fixed.named_parameters():
            if name.startswith("fc"):
                p.requires_grad = True
            else:
                p.requires_grad = False
        """,
    "by a comparison": """
        fixed = models.resnet18(pretrained=True)
        for name, p in fixed.named_parameters():
            p.requires_grad = name.startswith("fc.")
        """,
    "the features": """
        fixed = models.efficientnet_b0(pretrained=True)
        for p in fixed.features.parameters():
            p.requires_grad = False
        """,
    "in a function that builds": """
        def build():
            net = models.resnet18(weights="DEFAULT")
            for p in net.parameters():
                p.requires_grad = False
            net.fc = nn.Linear(512, 2)
            return net
        fixed = build()
        """,
    "in a function that changes": """
        def freeze(m):
            for p in m.parameters():
                p.requires_grad_(False)
        fixed = models.resnet18(weights="DEFAULT")
        freeze(fixed)
        """,
    "in a class": """
        class Fixed(nn.Module):
            def __init__(self):
                super().__init__()
                self.backbone = models.resnet18(weights="DEFAULT")
                for p in self.backbone.parameters():
                    p.requires_grad = False
                self.head = nn.Linear(512, 2)
        fixed = Fixed()
        """,
}


@pytest.mark.parametrize("way", FREEZING)
def test_training_mode_and_all_parameters_are_seen_however_the_backbone_was_frozen(way):
    run = "opt = optim.SGD(fixed.parameters(), lr=0.1, momentum=0.9)\ntrain_model(fixed, loader, opt)"
    assert set(found(NORMALISE, LOOP, FREEZING[way], run)) == {TRAINS_FROZEN, GIVEN_ALL}


def test_the_phases_of_a_training_loop_are_followed():
    loop = """
        def train_model(model, loaders, optimizer):
            for epoch in range(5):
                for phase in ["train", "val"]:
                    if phase == "train":
                        model.train()
                    else:
                        model.eval()
                    for x, y in loaders[phase]:
                        step(model, x, y, optimizer)
        """
    run = "train_model(fixed, loaders, optim.Adam(fixed.fc.parameters()))"
    assert found(NORMALISE, FROZEN, loop, run) == {TRAINS_FROZEN: "line 6 of cell 4: model.train()"}
    only = loop.replace('phase == "train"', "fine_tuning and phase == 'train'")
    assert found(NORMALISE, FROZEN, only, run) == {}


def test_the_functions_of_the_homework_are_followed():
    cells = (
        "def freeze_backbone(model, classifier):\n    model.requires_grad_(False)\n"
        "    model.get_submodule(classifier).requires_grad_(True)",
        "def train_mode(model):\n    model.train()",
        "def run(name, train):\n    model = build_model(name, weights='procedural')\n"
        "    freeze_backbone(model, 'head')\n"
        "    optimizer = torch.optim.AdamW(model.parameters(), lr=0.03)\n    train_mode(model)",
        "run('resnet10_w16', train)",
    )
    assert found(NORMALISE, *cells) == {
        TRAINS_FROZEN: "line 2 of cell 4: model.train()",
        GIVEN_ALL: "line 4 of cell 5: optimizer = torch.optim.AdamW(model.parameters(), lr=0.03)",
    }


@pytest.mark.parametrize(
    "run",
    [
        "opt = optim.Adam(filter(lambda p: p.requires_grad, fixed.parameters()))",
        "opt = optim.Adam(fixed.fc.parameters(), lr=1e-3)",
        "opt = optim.Adam([p for p in fixed.parameters() if p.requires_grad])",
        "fixed = models.resnet18()\nopt = optim.Adam(fixed.parameters())\nfixed.train()",  # another network, same name
        "for p in fixed.parameters():\n    p.requires_grad = True\nfixed.train()\nopt = optim.Adam(fixed.parameters())",
        "fixed.requires_grad_(True)\nfixed.train()\nopt = optim.Adam(fixed.parameters())",
        "unfreeze(fixed)\nfixed.train()\nopt = optim.Adam(fixed.parameters())",
        # all parameters for later: they are thawed after some epochs
        "opt = optim.Adam(fixed.parameters())\nfor p in fixed.layer4.parameters():\n    p.requires_grad = True",
        "opt = optim.Adam(fixed.parameters())\nfor e in range(9):\n    if e == 5:\n        fixed.requires_grad_(True)",
        "opt = optim.Adam(fixed.parameters())\ndef f(m, z):\n    if z:\n        m.requires_grad_(True)\nf(fixed, 1)",
        "fixed.train(False)",
        "fixed.eval()\nhead.train()",
        "x = fixed(x)\nclassifier = nn.Linear(512, 2)\nclassifier.train()\nopt = optim.Adam(classifier.parameters())",
        "make = lambda fixed: optim.Adam(fixed.parameters())",
    ],
)
def test_right_ways_to_train_a_head_get_no_remark(run):
    assert found(NORMALISE, FROZEN, run) == {}


@pytest.mark.parametrize(
    "keeps",
    [
        "for m in fixed.modules():\n    if isinstance(m, nn.BatchNorm2d):\n        m.eval()",
        "fixed.layer1.eval()",
        "backbone.eval()",
        "for m in fixed.modules():\n    if 'BatchNorm' in type(m).__name__:\n        m.eval()",
        "fixed.bn1.track_running_stats = False",
        "fixed.apply(set_bn_eval)",
        "for m in norms:\n    m.momentum = 0.0",
        "class Net(nn.Module):\n    def train(self, mode=True):\n        return super().train(False)",
    ],
)
def test_anything_that_may_keep_batch_norm_silences_that_remark(keeps):
    assert found(NORMALISE, FROZEN, "fixed.train()", keeps) == {}


def test_a_frozen_part_is_not_a_frozen_backbone():
    part = """
        net = models.resnet18(pretrained=True)
        for name, p in net.named_parameters():
            if "layer1" in name:
                p.requires_grad = False
        for name, p in net.named_parameters():
            p.requires_grad = "layer2" not in name
        """
    assert found(NORMALISE, part, "net.train()\nopt = optim.Adam(net.parameters())") == {}


def test_networks_without_batch_norm_may_be_in_training_mode():
    vgg = "fixed = models.vgg16(pretrained=True)\nfor p in fixed.features.parameters():\n    p.requires_grad = False"
    assert found(NORMALISE, vgg, "fixed.train()") == {}


def test_a_switch_that_decides_about_freezing_leaves_it_open():
    build = """
        def build(freeze):
            net = models.resnet18(pretrained=True)
            if freeze:
                for p in net.parameters():
                    p.requires_grad = False
            return net
        def also(net, freeze):
            for p in net.parameters():
                if freeze:
                    p.requires_grad = False
        """
    run = "a = build(False)\nalso(a, False)\na.train()\nopt = optim.Adam(a.parameters())"
    assert found(NORMALISE, build, run) == {}


@pytest.mark.parametrize(
    "cell",
    [
        "net = models.resnet18(pretrained=True)\nnet.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)",
        "net = models.densenet121(weights='DEFAULT')\nnet.features.conv0 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)",
        "net = models.efficientnet_b0(weights=W.DEFAULT)\nnet.features[0][0] = nn.Conv2d(1, 32, 3, 2, 1, bias=False)",
        "net = models.resnet18(models.ResNet18_Weights.DEFAULT)\nnet.conv1 = nn.Conv2d(1, 64, 7, 2, 3)",
        "net = models.resnet18()\nnet.load_state_dict(torch.load('w.pt'))\nnet.conv1 = nn.Conv2d(1, 64, 7)",
    ],
)
def test_a_new_first_convolution_after_the_weights(cell):
    line = cell.split("\n")[-1]
    assert found(NORMALISE, cell) == {NEW_CONV: f"line {len(cell.splitlines())} of cell 3: {line}"}


@pytest.mark.parametrize(
    "cell",
    [
        "net = models.resnet18(weights=None)\nnet.conv1 = nn.Conv2d(1, 64, 7)",
        "net = models.resnet18(pretrained=False)\nnet.conv1 = nn.Conv2d(1, 64, 7)",
        "net = models.resnet18()\nnet.conv1 = nn.Conv2d(1, 64, 7)\nnet.load_state_dict(torch.load('grey.pt'))",
        f"{LOADED}w = net.conv1.weight\nnet.conv1 = nn.Conv2d(1, 64, 7)\nnet.conv1.weight.data = w.sum(1, True)",
        f"{LOADED}new = nn.Conv2d(1, 64, 7)\nnew.weight.copy_(net.conv1.weight.sum(1))\nnet.conv1 = new",
        f"{LOADED}net.fc = nn.Linear(512, 2)\nnet.avgpool = nn.Conv2d(512, 512, 1)",
        "net.conv1 = nn.Conv2d(1, 64, 7)",
    ],
)
def test_first_convolutions_that_keep_the_weights_or_had_none(cell):
    assert found(NORMALISE, cell) == {}


def test_comments_texts_magics_and_broken_cells_are_passed_over():
    cells = (
        "!pip install torch\n%matplotlib inline\nm = models.resnet18(pretrained=True)",
        "def broken(:\n    model.train()",
        "# x = x / 255\n'''x = x / 255'''\nnote = 'x / 255'",
        "%%bash\necho 255",
        "null = '\0'\0",
    )
    assert found(*cells) == {}


@pytest.mark.parametrize(
    "source",
    [
        "(" * 5000 + ")" * 5000,
        "x = " + "-" * 40_000 + "1",
        "x = " + "1+" * 20_000 + "1",
        "x" + ".a" * 20_000,
        "x" + "()" * 20_000,
    ],
)
def test_code_made_to_be_deep_stops_nothing(source):
    assert find_mistakes([source]) == ()


def test_one_remark_of_a_kind_and_a_line_that_fits_on_a_page():
    cells = ["m = models.resnet18(pretrained=True)", *["x = images / 255  # " + "y" * 5000] * 3]
    (remark,) = find_mistakes(cells)
    assert len(remark.line) < 400
    assert remark.line.startswith("line 1 of cell 2: x = images / 255")


def test_functions_that_call_each_other_many_times_stay_small():
    cells = ["def f0(m):\n    m.train()"]
    cells += [f"def f{i}(m):\n" + f"    f{i - 1}(m)\n" * 3 for i in range(1, 60)]
    assert set(found(NORMALISE, FROZEN, *cells, "f59(fixed)")) == {TRAINS_FROZEN}


def test_a_notebook_of_more_statements_than_anybody_writes_has_no_remark():
    assert find_mistakes(["net = models.resnet18(pretrained=True)\nx = x / 255\ny = f()\n" * 400] * 5) == ()
