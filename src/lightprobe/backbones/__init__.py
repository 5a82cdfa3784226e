"""What sees: a frozen pretrained network, stopped at a chosen layer.

`zoo` names the networks and makes a `Backbone`; an engine runs it: `engines.create_runner`.
"""
