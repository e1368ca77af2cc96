"""What a run is asked to do: the declaration of every option, checked. Free of torch, so that ``--help`` is quick."""
