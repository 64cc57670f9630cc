"""The multiple-choice questions of lab 4."""

from lab_utils.show import Question

RECEPTIVE_FIELD = Question(
    "A 3x3 convolution, a 2x2 max-pool with stride 2, a 3x3 convolution. How wide is the receptive field of one "
    "place of the result, in pixels?",
    (
        ("6", "The second convolution works on a coarser map. How far apart are its neighbours, in pixels?"),
        ("7", "With stride 2, is the step of the last convolution 1 pixel or 2?"),
        ("8", "3, then 3 + 1 = 4 after the pool, then 4 + 2 * 2 = 8: behind the pool a step is 2 pixels."),
        ("12", "The sizes add up, step by step. They are not multiplied."),
    ),
    correct=2,
)

FLOPS = Question(
    "Network A has a tenth of the parameters of network B, but one training step takes longer. How can this be?",
    (
        (
            "It cannot be: fewer parameters mean less work",
            "Look at the first block of CBR-Small and at its share of both.",
        ),
        (
            "A uses its few weights at many more places",
            "A convolution works at every place of the map. Wide maps near the image cost much, and hold few weights.",
        ),
        ("A was trained on more images", "The time of one step does not depend on how many images there are."),
        ("A has the larger learning rate", "The rate changes how far a step goes, not how long it takes."),
    ),
    correct=1,
)

CENSORED = Question(
    "Five runs should reach an AUROC of 0.75 within 100 steps. Three do, after 40, 50 and 60 steps. Two never do. "
    "What is the median number of steps?",
    (
        ("50", "This is the median of the runs that arrived. Are the other two faster or slower?"),
        ("60", "Sorted: 40, 50, 60, and twice 'more than 100'. The third of five is the median."),
        ("100", "100 is where you stopped watching. No run arrived there."),
        (
            "Nobody can know it",
            "The mean nobody can know. The median you can: the two late runs come last in any case.",
        ),
    ),
    correct=1,
)

IN_DOMAIN = Question(
    "A network is trained on one finding of 50,000 X-rays, then fine-tuned on another finding with 500 X-rays of the "
    "same hospital. It beats ImageNet weights. What did you show?",
    (
        ("ImageNet weights are bad", "They were not made for X-rays. And you compared one case with another."),
        (
            "Near source images helped here, and somebody had to label 50,000 of them",
            "Both are true, and the price belongs to the result. With so many labels of another task, is it transfer "
            "learning that you need, or training on both tasks?",
        ),
        ("In-domain pretraining is always better", "One source, one target, one size: it says nothing about others."),
        ("The network remembers the patients", "Only if the same patients are in both sets. Did you split by patient?"),
    ),
    correct=1,
)
