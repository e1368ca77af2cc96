"""The mathematics: operators, the objective E(u), its dual d(p), and the certificate that judges any answer."""
