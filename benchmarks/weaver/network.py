"""weaver-core network configuration: ParticleNet as published, 366,160 parameters (run inside weaver's environment)."""

import torch
from weaver.nn.model.ParticleNet import ParticleNet


def get_model(data_config, **kwargs):
    """The network, and what weaver asks about its inputs."""
    model = ParticleNet(
        input_dims=len(data_config.input_dicts["pf_features"]),
        num_classes=len(data_config.label_value),
        conv_params=[(16, (64, 64, 64)), (16, (128, 128, 128)), (16, (256, 256, 256))],
        fc_params=[(256, 0.1)],
        use_fusion=False,
        use_fts_bn=True,
        use_counts=True,
        for_inference=kwargs.get("for_inference", False),
    )
    names = list(data_config.input_names)
    info = {
        "input_names": names,
        "input_shapes": {name: (1, *shape[1:]) for name, shape in data_config.input_shapes.items()},
        "output_names": ["softmax"],
        "dynamic_axes": {name: {0: "N"} for name in [*names, "softmax"]},
    }
    return model, info


def get_loss(data_config, **kwargs):
    """Cross-entropy of the logits."""
    return torch.nn.CrossEntropyLoss()
