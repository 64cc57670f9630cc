"""What names of folders say: a part of a set, a mere container, a batch, a patient.

Names are compared by their words: ``TrainImages``, ``train_images`` and ``Train images`` are the same.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

_SPELLINGS = {
    "train": """train training trn trainset trainingset traindata trainingdata trainimages trainval
        trainingsdaten trainingsbilder trainingssatz entrainement entraînement apprentissage entrenamiento
        treino treinamento addestramento 训练 训练集 訓練 訓練集 学習""",
    "val": """val valid validate validation dev devel development eval evaluation valset validset validationset devset
        evalset valdata validationdata valimages
        validierung validierungsdaten validierungsbilder validacion validación validacao validação convalida
        验证 验证集 驗證 驗證集 検証""",
    "test": """test testing tst testset testingset testdata testingdata testimages holdout heldout
        testdaten testbilder testsatz prueba pruebas teste testes 测试 测试集 測試 測試集 テスト""",
}
PARTS = {word: part for part, words in _SPELLINGS.items() for word in words.split()}
# Words beside the name of a part that change nothing: train_images, training set.
_FILL = """
set sets data dataset datasets image images img imgs picture pictures pics photo photos split splits folder dir
directory files samples cases examples jpg jpeg png tif bmp final"""
FILL = frozenset(_FILL.split())
# Words that name a heap of pictures, never what is to be seen in them.
_HEAPS = """
batch batches chunk chunks fold folds subset subsets shard shards archive export download downloads zip unzipped
augmented augmentation resized preprocessed processed input inputs output outputs dicom dicoms tiff webp"""
HEAPS = FILL - {"samples", "cases", "examples", "final", "photo", "photos"} | frozenset(_HEAPS.split())
_NUMBERED = "part parts disc disk vol volume block section"  # heaps if a number or a letter follows
NUMBERED = frozenset(_NUMBERED.split())
_NEGATIVE = """
normal normals negative negatives neg benign healthy health control controls none absent absence clean uninfected
unaffected undiseased nofinding nofindings nodisease nodr 0 false no"""  # classes without the disease
NEGATIVE = frozenset(_NEGATIVE.split())
CLASS_WORDS = frozenset({"class", "grade", "stage", "type", "level", "category", "label", "degree", "score"})
_PATIENTS = """
p patient patients pat pt pid case subject subj sub person participant study series exam examination visit scan slide
specimen session"""  # patients or what they have, if a number follows
PATIENTS = frozenset(_PATIENTS.split())


def words_of(name: str) -> tuple[str, ...]:
    """Lower-case words and numbers of a name: "TrainImages_2" is train, images, 2. Accents are written in one way."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unicodedata.normalize("NFC", name))
    return tuple(re.findall(r"[^\W\d_]+|\d+", apart.lower()))


def part_of(name: str) -> tuple[str, tuple[str, ...]] | None:
    """The part of a set that a name means and the other words of the name; None if it means none.

    "Training_set" and "01 Training" are ("train", ()), "ISIC_Test_Input" is ("test", ("isic", "input")).
    """
    words = words_of(name)
    if len(words) > 1 and words[0].isdigit():
        words = words[1:]
    if (joined := "".join(words)) in PARTS:
        return PARTS[joined], ()
    places = [i for i, word in enumerate(words) if word in PARTS]
    if len(places) != 1:
        return None
    place = places[0]
    return PARTS[words[place]], tuple(word for i, word in enumerate(words) if i != place and word not in FILL)


def is_container(name: str) -> bool:
    """Whether a name says no more than that pictures are inside: "images", "Data", "png_files"."""
    words = words_of(name)
    return bool(words) and all(word in FILL | {"original", "originals", "raw"} for word in words)


def is_heap(name: str) -> bool:
    """Whether a name means a container, a batch or a part without classes: "images_001", "batch_a", "train_images"."""
    words = words_of(name)
    heaps = HEAPS | PARTS.keys() | (NUMBERED if len(words) > 1 else frozenset())
    rest = [word for word in words if word not in heaps]
    return len(rest) < len(words) and all(word.isdigit() or len(word) == 1 for word in rest)


def are_batches(names: Collection[str]) -> bool:
    """Whether all names are one name with other numbers: "HAM10000_images_part_1", "HAM10000_images_part_2"."""
    rests = set()
    for name in names:
        words = words_of(name)
        heap = [word in HEAPS or word in NUMBERED for word in words]
        if not any(heap) or not CLASS_WORDS.isdisjoint(words):
            return False
        rests.add(tuple(w for w, is_one in zip(words, heap, strict=True) if not (is_one or w.isdigit() or len(w) == 1)))
    return len(rests) == 1 < len(names)


def are_patients(names: Collection[str]) -> bool:
    """Whether all names are those of patients or numbers of files: "patient12", "case_3", "10253"."""
    return bool(names) and all(map(_is_patient, names))


def _is_patient(name: str) -> bool:
    words = words_of(name)
    numbers = [word for word in words if word.isdigit()]
    named = bool(numbers) and words[0] in PATIENTS
    return named or (name.isdigit() and len(name) >= 4) or bool(re.fullmatch(r"TCGA-\w\w-\w{4}.*", name))


def share_names(groups: Iterable[Sequence[str]]) -> bool:
    """Whether most names of some groups of names are in another group, too."""
    sets = [set(group) for group in groups]
    counts = Counter(name for names in sets for name in names)
    pairs = [name for names in sets for name in names]
    shared = [name for name in pairs if counts[name] > 1]
    return len(shared) > len(pairs) / 2
