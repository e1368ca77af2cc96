from .denoising import denoise as denoise
from .errors import TVDenoiseError as TVDenoiseError
from .noise import Noise as Noise
from .result import Result as Result
from .rows import Figures as Figures
from .rows import TrialRow as TrialRow
from .solve import Progress as Progress
from .sweeping import Grid as Grid
from .sweeping import Specimen as Specimen
from .sweeping import sweep as sweep
from .total_variation import TotalVariation as TotalVariation

__version__: str
