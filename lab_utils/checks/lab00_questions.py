"""The multiple-choice questions of lab 0."""

from lab_utils.show import Question

PREVALENCE = Question(
    "35 % of the images show a pleural effusion. A program says 'no effusion' for every image. What is its accuracy?",
    (
        ("35 %", "This is the share of images on which it is wrong."),
        ("50 %", "It would be, if half of the images showed an effusion."),
        ("65 %", "It is right on every healthy image and finds nobody. The rarer the finding, the better this looks."),
        ("It depends on the threshold", "This program has no threshold: its answer is always the same."),
    ),
    correct=2,
)

SCALE = Question(
    "You multiply all scores by 10 and then add 3. What happens to the AUROC?",
    (
        ("It rises", "Does any pair of images change its order?"),
        ("It falls", "Does any pair of images change its order?"),
        ("It stays the same", "Only the order of the scores counts, and the order has not changed."),
        ("It is not defined, because the scores are no probabilities", "The definition compares scores; any will do."),
    ),
    correct=2,
)

THRESHOLD = Question(
    "You move the threshold from 0.5 down to 0.3. What happens?",
    (
        ("Sensitivity and specificity both rise", "More images are called positive, sick and healthy ones."),
        (
            "Sensitivity rises or stays, specificity falls or stays",
            "More images are called positive: more of the sick are found, and more of the healthy are disturbed.",
        ),
        ("Sensitivity falls or stays, specificity rises or stays", "This happens when the threshold goes up."),
        ("The AUROC falls", "The AUROC belongs to all thresholds together; it does not change."),
    ),
    correct=1,
)

SICKER = Question(
    "In hospital B twice as many people have the finding. The sick get the same scores as the sick in A, the healthy "
    "the same as the healthy in A. Compare the AUROC in both hospitals.",
    (
        ("It is higher in B", "It compares one sick with one healthy person. How many there are does not matter."),
        ("It is lower in B", "It compares one sick with one healthy person. How many there are does not matter."),
        (
            "It is the same, and so is everything else",
            "The AUROC is the same. But of the images called positive, a larger share is now really sick.",
        ),
        (
            "It is the same, but of the images called positive a larger share is really sick",
            "AUROC, sensitivity and specificity do not depend on prevalence; what a positive call means does.",
        ),
    ),
    correct=3,
)

ONE_IMAGE = Question(
    "In another data set every patient has exactly one image. What is the difference between the two ways to split?",
    (
        ("By image is still too optimistic", "Can any patient then be on both sides?"),
        ("None", "Every image is a patient, so both ways do the same. Copies of one image would still be a leak."),
        ("By patient is not possible", "It is: each patient brings one image along."),
    ),
    correct=1,
)

WHICH_LEAKS = Question(
    "You split by patient. Which of these steps still lets the test leak into the training?",
    (
        ("Shuffling the training images with a seed", "This touches training images only."),
        (
            "Choosing the best of ten networks by their test score, and reporting this score",
            "The test was used to choose, so it is no test any more. Choose on the validation part.",
        ),
        ("Computing the test AUROC once, at the very end", "This is what a test is for."),
        ("Rotating training images a little", "This touches training images only."),
    ),
    correct=1,
)
