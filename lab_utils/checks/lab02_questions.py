"""The multiple-choice questions of lab 2."""

from lab_utils.show import Question

NO_GRAD = Question(
    "You freeze the backbone with requires_grad = False and train. Which parts of the work can PyTorch leave out?",
    (
        ("The forward pass through the backbone", "The head needs the features, so they must be computed."),
        (
            "The backward pass through the backbone",
            "No parameter there needs a gradient, and nothing below it does: the backward pass ends at the head.",
        ),
        ("The forward and the backward pass through the backbone", "How would the head get its features?"),
        ("Nothing, it only keeps the weights as they are", "Gradients that nobody needs are not computed."),
    ),
    correct=1,
)

WHICH_STOPS = Question(
    "The running statistics of a batch norm must not change while you train. Which of these is enough?",
    (
        ("requires_grad = False for its weight and bias", "The statistics are buffers; no gradient ever reaches them."),
        (
            "Leave its parameters out of the optimizer",
            "The optimizer never sees running statistics, here or elsewhere.",
        ),
        ("Call model.eval() once before model.train()", "The last call counts: the layer is in training mode again."),
        (
            "Put this batch norm into eval mode, after model.train()",
            "In eval mode it uses the running statistics and leaves them alone. The order matters.",
        ),
    ),
    correct=3,
)

MOMENTUM = Question(
    "Somebody sets momentum = 0 in all frozen batch norms and calls model.train(). The running statistics stay. "
    "Is the backbone frozen now?",
    (
        (
            "No: in training it still normalises with the statistics of the batch",
            "So the head learns from features that depend on the other images of the batch, and that it never meets "
            "at test time, in eval mode.",
        ),
        (
            "Yes: nothing in the backbone changes any more",
            "True for what is stored. Which mean does it use in training?",
        ),
        ("No: the weights still change", "They are frozen; momentum of batch norm has nothing to do with them."),
    ),
    correct=0,
)

SHARED = Question(
    "A clinic uses one backbone with three heads. You add a fourth head: backbone frozen, training with model.train(). "
    "On your own task all is well. What do you tell the clinic?",
    (
        ("Nothing: the weights of the backbone are unchanged", "The weights are. The running statistics are not."),
        (
            "The three old heads must be tested again, or better: train again with frozen batch norm in eval mode",
            "The old heads now get other features than those they were trained on.",
        ),
        ("The old heads must get a lower learning rate", "They are not being trained at all."),
    ),
    correct=1,
)

WHY_CHEAPER = Question(
    "Freezing only the stem saves little time and little memory. Why?",
    (
        ("The stem has few parameters", "True, but time and memory do not depend on the number of parameters here."),
        (
            "layer1 still needs gradients, so outputs are kept and the backward pass runs from the head down to layer1",
            "The saving grows with every stage at the bottom that the backward pass need not reach.",
        ),
        ("The optimizer still holds the stem", "It should not, but this would cost almost nothing."),
        ("Batch norm in eval mode is slower", "It is faster: there is no mean and no variance to compute."),
    ),
    correct=1,
)
