"""SOM-GAN: an unsupervised detector of unusual rows whose reasons can be read on a two-dimensional map.

Layers, after the source system's description: input (`views`), competition (`som`), generation (`generator`),
discrimination (`discriminator`), then calibrated `fusion` and whole-deposit `conformal` grades. `model` joins them,
`export` writes the ONNX graph that the kiosk runs. Everything that trains needs torch (`make setup-train`); reading
tables, manifests and evaluating an exported model does not. This package imports nothing of the product.
"""
