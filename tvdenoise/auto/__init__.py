"""Lambda from the picture: how much noise there is, and which lambda removes it best."""
