"""The multiple-choice questions of lab 6."""

from lab_utils.show import Question

WHAT_MEAN_VAR_TELLS = Question(
    "Suppose transfer reaches the goal after 20 steps, Mean Var after 60, random after 100. What follows?",
    (
        (
            "Features explain the whole advantage of transfer",
            "Mean Var has no features, and it was faster than random.",
        ),
        (
            "Scale explains the whole advantage of transfer",
            "Mean Var has the scale. It was still slower than transfer.",
        ),
        (
            "Part of the advantage comes with the scale alone, the rest needs the features",
            "From 100 to 60 with the scale alone, from 60 to 20 with the features.",
        ),
        (
            "Mean Var learned features of its own before the race",
            "It was drawn at random: there is nothing to learn from.",
        ),
    ),
    correct=2,
)

CENSORED = Question(
    "Three of four runs reach the goal, after 30, 50 and 70 steps; the fourth has not reached it when training ends "
    "at 100. What do you report?",
    (
        ("Mean 50, from the three runs that arrived", "The slowest run is thrown away, so the start looks too fast."),
        ("Mean 62.5: the fourth counts as 100, it arrived then", "It did not arrive. All we know is: later than 100."),
        (
            "Median 50; within 100 steps a restricted mean of 62.5; one run of four censored",
            "After 50 steps half have arrived. The restricted mean says openly that it stops counting at 100.",
        ),
        (
            "Nothing: one run is missing, so no summary is possible",
            "What is known of it, more than 100 steps, can be used.",
        ),
    ),
    correct=2,
)

WHICH_COPY = Question(
    "You want the gain of the first two stages. Somebody copies their weights, but forgets the buffers of batch norm. "
    "What happens?",
    (
        ("Nothing: buffers are not trained", "They are not trained by gradients, but the network computes with them."),
        (
            "In eval mode the stages compute something else, until training has measured the statistics again",
            "In train mode batch norm uses the batch, and the running statistics follow. Frozen stages never recover.",
        ),
        ("PyTorch raises an error", "All shapes fit, so nothing warns you."),
        ("The head learns faster", "Nothing in the head changes by this."),
    ),
    correct=1,
)

DISAGREE = Question(
    "For layer2 of a transferred network you find: a large relative distance from the start, and a high similarity "
    "(CCA) to the start. How can both be true?",
    (
        ("One of the two must be a mistake", "They measure different things."),
        (
            "The weights changed, but the features are still the same up to a linear map",
            "CCA does not see scale, rotation or mixing of the channels; the distance sees all of it.",
        ),
        ("The network forgot its features and learned them again", "In so few steps, and to the same result? Hardly."),
        ("CCA only looks at the weights", "CCA compares activations. The distance compares weights."),
    ),
    correct=1,
)
