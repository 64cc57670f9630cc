"""Concept questions of lab 1: what features depend on, and what may be looked at."""

from lab_utils.show import Question

EVAL_MODE = Question(
    "You extract the features of one X-ray twice: once in a batch with 31 healthy people, once in a batch with 31 sick "
    "people. The network is in train mode by mistake. What do you get?",
    (
        (
            "The same features twice: no weight has changed in between.",
            "The weights are the same, but batch norm in train mode does not use its stored mean and sd.",
        ),
        (
            "Different features: batch norm uses the mean and sd of whichever images are in the batch.",
            "And its stored mean and sd have moved too: the network is not the same as before.",
        ),
        (
            "An error, because there are no labels.",
            "Extracting features needs no labels, in either mode. There is no error message at all.",
        ),
    ),
    correct=1,
)

HOSPITAL = Question(
    "A probe was trained on normalised images. In the hospital a new program sends the images without this step. What "
    "will the doctors notice?",
    (
        (
            "An error message: the values are out of range.",
            "A network takes any numbers. All features were finite in section 3, without a warning.",
        ),
        (
            "Nothing bad: the probe standardises its features, and that removes the mistake.",
            "It standardises with the training images' mean and sd. They do not fit the wrong features.",
        ),
        (
            "Scores that look like scores, but hardly rank the sick above the healthy.",
            "This is the right panel above. Test the whole program, from the image file on, not only the network.",
        ),
    ),
    correct=2,
)

TEST_STATISTICS = Question(
    "Someone standardises the test features with the mean and sd of the test features. They say: no label was used, so "
    "nothing leaks. What is wrong?",
    (
        (
            "The score of a patient now depends on who else is in the test set.",
            "With one new patient there is not even an sd. And if hospital B has more sick people, their mean is moved "
            "to where the mean of hospital A was: part of the disease is subtracted.",
        ),
        (
            "Nothing. The scale of the features does not matter to a logistic regression.",
            "It matters to a fitted one: its weights belong to the scale on which it was fitted.",
        ),
        (
            "It takes too long when the test set is large.",
            "A mean and an sd take milliseconds. The trouble is what they let in.",
        ),
    ),
    correct=0,
)

CACHE = Question(
    "You have cached the features of all images. After which change must you compute them again?",
    (
        (
            "A stronger penalty in the probe.",
            "The probe comes after the features: fit it again, in milliseconds.",
        ),
        (
            "Training images are rotated at random, anew in each epoch.",
            "Rotated images are other images, with other features. With a cache you give up augmentation, or store the "
            "features of a few rotated copies.",
        ),
        (
            "The labels of 50 images are corrected.",
            "Labels do not enter the features at all.",
        ),
        (
            "Only 100 of the images are used for training.",
            "Take 100 rows of the cache.",
        ),
    ),
    correct=1,
)

TOP_STAGE = Question(
    "You want to use a network that was pretrained on fractals and photographs for X-rays. Which stage do you take "
    "features from?",
    (
        (
            "The last: features become ever better towards the top.",
            "For the task the network was trained on. For another one the top can be too special, as the figure shows.",
        ),
        (
            "The one that is best on the test images.",
            "Then the test has helped to choose, and its score is too good. It is no test any more.",
        ),
        (
            "The one that is best on validation images; the test images are looked at once, afterwards.",
            "With cached features this costs seconds. The answer can be another one for other data.",
        ),
        (
            "The first: edges are the same everywhere.",
            "They are, but pooled edges say little about a disease: see the left end of the figure.",
        ),
    ),
    correct=2,
)
