"""The multiple-choice questions of lab 3."""

from lab_utils.show import Question

WHICH_RATE = Question(
    "A range test is flat up to 1e-4, falls fastest at 1e-3, is lowest at 2e-2 and explodes at 1e-1. "
    "With which rate do you start?",
    (
        ("1e-5", "The loss is still flat there: it would take very long to learn anything."),
        ("1e-3", "There the loss falls fastest. The lowest point lies a good distance away."),
        ("2e-2", "There the fall has just come to an end, because the steps begin to do damage."),
        ("5e-2", "The loss rises already."),
    ),
    correct=1,
)

NEW_CONV1 = Question(
    "You load pretrained weights, then write model.conv1 = nn.Conv2d(1, 64, 7). The code runs. What do you have now?",
    (
        ("A pretrained network for grey images", "Its first layer is random. What do the later stages get to see?"),
        (
            "Pretrained later stages behind a random first layer",
            "And these later stages have never seen such input. Nothing warns you; only the numbers tell.",
        ),
        ("A network from scratch", "All later stages still have their pretrained weights."),
        ("An error when the first image arrives", "The shapes all fit. This is why the mistake is so common."),
    ),
    correct=1,
)

WHICH_DEPTH = Question(
    "A network has four stages and a head. The head learns with 1e-3, the decay is 0.1. What is the rate of the "
    "lowest stage?",
    (
        ("1e-3", "This is the rate of the head."),
        ("1e-6", "This is three places below the head. How many places are there?"),
        ("1e-7", "Four places below the head: 1e-3 times 0.1 to the power of 4. It is nearly frozen."),
        ("4e-4", "The rate is multiplied by 0.1 at every place, four times."),
    ),
    correct=2,
)

FAIR = Question(
    "A report compares a pretrained network (40 epochs, augmentation, learning rate from a range test) with one from "
    "scratch (10 epochs, default settings). Transfer is better by 0.05 AUROC. What do you know?",
    (
        ("Pretrained weights are worth 0.05", "Three more things are different. Each of them can make 0.05."),
        ("Pretrained weights are worth nothing", "This was not shown either."),
        (
            "Nothing about the weights alone",
            "Weights, time, augmentation and rate changed together. Change one thing, keep the rest.",
        ),
        ("It would be fair with more seeds", "Seeds make an interval narrow. They do not make a comparison fair."),
    ),
    correct=2,
)

INTERVAL = Question(
    "Three seeds: transfer minus scratch is +0.02 AUROC, 95 % interval -0.01 to +0.05. What may you write?",
    (
        ("Transfer is better", "No difference at all (0) is inside the interval as well."),
        ("Transfer and scratch are equally good", "An advantage of 0.05 is inside the interval as well."),
        (
            "These three seeds do not decide it; more seeds would make the interval narrower",
            "The interval holds both a useful gain and a small loss.",
        ),
        ("Transfer is better with a probability of 95 %", "The interval makes no such statement, and it includes 0."),
    ),
    correct=2,
)
