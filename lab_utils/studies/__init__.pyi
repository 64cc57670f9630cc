from .claims_similarity import jackknife as jackknife
from .claims_view import claims_markdown as claims_markdown
from .claims_view import read_claims as read_claims
from .family import train_and_measure as train_and_measure
from .grid import combinations as combinations
from .grid import run_grid as run_grid
from .grid import workers_asked_for as workers_asked_for
from .results import load_results as load_results
