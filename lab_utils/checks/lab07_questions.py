"""The multiple-choice questions of lab 7."""

from lab_utils.show import Question

CONFOUNDED = Question(
    "In the printed table gain falls with the distance (r from -0.71 to -0.77) and with the number of images "
    "(r from -0.34 to -0.62). Over the five sets distance and log n correlate with r = 0.77. What follows?",
    (
        (
            "Distance is the cause: its correlation is the stronger one",
            "A stronger correlation in five sets is no proof. The set that is far away is also the large one.",
        ),
        (
            "Both are causes, and their effects add up",
            "They may. But these five sets cannot show it: hardly any of them is far away and small.",
        ),
        (
            "These five sets cannot tell size from distance: one must change one of them and keep the other",
            "So the next section does just this.",
        ),
        (
            "Neither is a cause, since they explain the same",
            "That two causes are hard to tell apart does not mean that there is none.",
        ),
    ),
    correct=2,
)

FAR_OR_FEW = Question(
    "Source A is 3.4 away from your 200 target images, in 128 features. Two halves of your own images are 3.1 apart. "
    "Is source A far away?",
    (
        ("Yes: a distance above 0 says that the two sets differ", "Two halves of one set are above 0, too."),
        (
            "One cannot say: most of it is what so few images give for any two sets",
            "The distance is biased upwards with few images. Take more images, fewer features, or the kernel distance.",
        ),
        ("No: 3.4 is a small number", "It has the squared units of these features. Other features have other numbers."),
        ("Yes: it is further away than the halves", "By a tenth. What is the interval of both numbers?"),
    ),
    correct=1,
)

WHAT_ST_TELLS = Question(
    "DeiT-S on APTOS, kappa (printed): random 0.684, ST 0.721, pretrained 0.894. What does it tell?",
    (
        (
            "Nearly all of the gain needs the features; the statistics alone bring a small part",
            "0.037 of 0.210 with the statistics alone. That is what ST is for: it takes gain and scale apart.",
        ),
        ("Pretrained weights are only better scaled", "ST has their scale, and it is far below the pretrained start."),
        (
            "ST destroyed nothing: it kept the position embedding",
            "It kept the embedding, and drew all other weights. Those hold the features.",
        ),
        ("Training was too short for the random start", "Perhaps, but this comparison does not show it."),
    ),
    correct=0,
)

SAME_NUMBER = Question(
    "Now every stage has its own number, and layer4 has the smallest. Has layer4 moved least?",
    (
        ("Yes: the l2 distance is the smallest", "Look at what it is divided by: how many numbers has a tensor there?"),
        (
            "Not necessarily: |w - w0| / N falls with sqrt(N) when every weight moves equally far",
            "If each of N weights moves by d, then |w - w0| = d sqrt(N), so the number is d / sqrt(N).",
        ),
        ("No: upper stages always move most", "That is a question for the data, not a rule."),
        ("Norm layers were left out, so it cannot be said", "They are few. The division matters much more."),
    ),
    correct=1,
)

ARITHMETIC = Question(
    "Gain is WT/RI - 1. The other paper's axis is (WT - ST)/WT. Suppose ST starts are no better than random ones. What "
    "correlation do you expect between the two, whatever the reason of the gain?",
    (
        (
            "About 0: ST and RI are different starts",
            "With ST = RI the axis is 1 - RI/WT. Where have you seen this before?",
        ),
        (
            "Close to 1, by arithmetic alone: with ST = RI the axis is gain / (1 + gain)",
            "Both axes hold WT and a bad start. A correlation between them says little about feature reuse.",
        ),
        ("Negative: WT is below the line in one and above in the other", "Both grow when WT grows."),
        ("It cannot be known", "Put ST = RI into the formula."),
    ),
    correct=1,
)
