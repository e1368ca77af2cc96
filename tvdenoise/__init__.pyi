from .api.aggregation import Figures as Figures
from .api.denoising import denoise as denoise
from .api.result import Result as Result
from .errors import TVDenoiseError as TVDenoiseError
from .experiments.degradations import Noise as Noise
from .experiments.sweep import Grid as Grid
from .experiments.sweep import Specimen as Specimen
from .experiments.sweep import sweep as sweep
from .files.rows import TrialRow as TrialRow
from .solvers.loop import Progress as Progress
from .total_variation import TotalVariation as TotalVariation

__version__: str
