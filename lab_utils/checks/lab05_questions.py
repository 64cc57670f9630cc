"""The multiple-choice questions of lab 5."""

from lab_utils.show import Question

FEW_IMAGES = Question(
    "Two layers with 256 neurons each, 400 images, pooled over space. The mean CCA is 0.74. What do you know?",
    (
        ("The layers are nearly the same", "Two layers of pure noise give about the same number here."),
        (
            "Nothing: with fewer images than neurons of both layers, correlations of 1 appear in any data",
            "512 directions and 400 datapoints. Draw the null: it is as high. Take positions, or more images.",
        ),
        ("The layers share 74 % of their neurons", "CCA compares directions, not neurons. And look at the numbers."),
        ("A smaller learning rate is needed", "Nothing in this number tells about the learning rate."),
    ),
    correct=1,
)

CKA_OR_CCA = Question(
    "A colleague multiplies each neuron of a layer by another factor, from 0.01 to 100, and compares the layer with "
    "what it was before. Which measure still says 1?",
    (
        ("Mean CCA", "A factor for each neuron is an invertible linear map: CCA does not see it."),
        ("CKA", "Directions with a large variance dominate CKA. The factors change which ones these are."),
        ("SVCCA that keeps 99 % of the variance", "It keeps other directions than before: those with large factors."),
        ("All of them", "They differ in what they do not see. Look at the table again."),
    ),
    correct=0,
)

ALIKE_AT_THE_TOP = Question(
    "In the last stage the mean CCA of two nets from random weights is 0.40, of a transferred net and one from random "
    "weights 0.35. The null is 0.10. The difference has the interval -0.08 to -0.02. What may you write?",
    (
        ("Transferred nets have learned less", "Similarity tells nothing about how good a network is."),
        (
            "At the top, two nets from random weights are a little more alike than a transferred net and a random one",
            "This is what was measured, on these images, with this measure. Why is another question.",
        ),
        ("All nets are different, 0.4 is low", "Compare with the null, 0.10: both pairs share far more than chance."),
        ("35 % of the random features come from pretraining", "A mean correlation is no share of features."),
    ),
    correct=1,
)

REUSE = Question(
    "After training, layer1 of a transferred net has a mean CCA of 0.90 with itself before training. Is this feature "
    "reuse?",
    (
        (
            "Yes, 90 % of the features were reused",
            "What does a net from random weights have? It has not much to reuse.",
        ),
        (
            "Only if a net from random weights stays less similar to its own start",
            "A stage may simply move little. The difference to random weights is what the pretrained ones explain.",
        ),
        ("No, reuse would give exactly 1", "A reused feature may be adapted a little."),
        (
            "No, one has to compare with another transferred net",
            "That tells what two nets share, also what both learned.",
        ),
    ),
    correct=1,
)
