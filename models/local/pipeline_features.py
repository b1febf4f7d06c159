"""What a bare model makes of a sound: transformers has such a pipeline for texts and pictures only."""

from __future__ import annotations

from typing import Any

from transformers import Pipeline


class AudioFeatureExtractionPipeline(Pipeline):
    """The last hidden states of an audio model.

    Called with one channel of samples at the model's rate; returns a tensor of shape
    (1, steps, width).
    """

    _load_processor = False  # type: ignore[assignment]
    _load_image_processor = False  # type: ignore[assignment]
    _load_feature_extractor = True  # type: ignore[assignment]
    _load_tokenizer = False  # type: ignore[assignment]

    def _sanitize_parameters(self, **parameters: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        return {}, {}, {}

    def preprocess(self, input_: Any, **preprocess_parameters: Any) -> Any:
        """Return the model's inputs."""
        extractor: Any = self.feature_extractor
        made = extractor(input_, sampling_rate=extractor.sampling_rate, return_tensors="pt")
        return made.to(self.dtype) if self.dtype is not None else made

    def _forward(self, input_tensors: Any, **forward_parameters: Any) -> Any:
        model: Any = self.model
        # Of models that also write, such as Whisper's, only the half that listens.
        listener = model.get_encoder() if model.config.is_encoder_decoder else model
        return listener(**input_tensors)

    def postprocess(self, model_outputs: Any, **postprocess_parameters: Any) -> Any:
        """Return the hidden states."""
        return model_outputs[0]
