"""The tasks of transformers' pipelines that a module may do: what they read, what they may be told, what they give.

A plain table: plans are checked against it, and for that neither torch nor transformers need be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Takes = Literal["audio", "image", "text"]

#: Words by which a generating model may be told how to write. Those that could make it fetch code
#: or weights (``custom_generate``, ``assistant_model``, ``generation_config``) are not among them.
GENERATION = frozenset(
    {
        "do_sample",
        "language",
        "length_penalty",
        "max_new_tokens",
        "min_new_tokens",
        "no_repeat_ngram_size",
        "num_beams",
        "repetition_penalty",
        "task",
        "temperature",
        "top_k",
        "top_p",
    }
)


@dataclass(frozen=True)
class PipelineTask:
    """One task."""

    name: str
    takes: Takes
    """What each of its input files holds."""
    pipeline: str
    """Class of the pipeline: one of transformers', or of ours where transformers has none."""
    models: tuple[str, ...]
    """transformers' auto classes that read a model for it."""
    gives: str
    """Name of the result, where the pipeline gives a bare list or array."""
    parameters: frozenset[str] = frozenset()
    """What it may be told, besides `GENERATION` when it generates."""
    needs: tuple[str, ...] = ()
    """Parameters that it must be told."""
    generates: bool = False
    """Whether its model writes word by word."""
    only: tuple[str, ...] = ()
    """Types of model that it is made for, where its auto classes read others too."""
    own: bool = False
    """Whether the pipeline is ours."""

    @property
    def known_parameters(self) -> frozenset[str]:
        """Every parameter that it may be told."""
        return self.parameters | (GENERATION if self.generates else frozenset())


def _task(
    name: str, takes: Takes, pipeline: str, models: str, gives: str, parameters: str = "", needs: str = ""
) -> PipelineTask:
    return PipelineTask(
        name,
        takes,
        f"{pipeline}Pipeline",
        tuple(f"AutoModel{model}" for model in models.split("|")),
        gives,
        frozenset(parameters.split()) | frozenset(needs.split()),
        tuple(needs.split()),
    )


def _writing(name: str, takes: Takes, pipeline: str, models: str, gives: str, parameters: str = "") -> PipelineTask:
    plain = _task(name, takes, pipeline, models, gives, parameters)
    return PipelineTask(name, takes, plain.pipeline, plain.models, gives, plain.parameters, generates=True)


#: In the order in which a model's task is guessed.
_TABLE = (
    _writing(
        "automatic-speech-recognition",
        "audio",
        "AutomaticSpeechRecognition",
        "ForCTC|ForSpeechSeq2Seq",
        "text",
        "chunk_length_s return_language return_timestamps stride_length_s",
    ),
    _task(
        "audio-classification",
        "audio",
        "AudioClassification",
        "ForAudioClassification",
        "labels",
        "function_to_apply top_k",
    ),
    PipelineTask(
        "zero-shot-audio-classification",
        "audio",
        "ZeroShotAudioClassificationPipeline",
        ("AutoModel",),
        "labels",
        frozenset({"candidate_labels", "hypothesis_template"}),
        ("candidate_labels",),
        only=("clap",),
    ),
    _task(
        "image-classification",
        "image",
        "ImageClassification",
        "ForImageClassification",
        "labels",
        "function_to_apply top_k",
    ),
    _task("object-detection", "image", "ObjectDetection", "ForObjectDetection", "objects", "threshold"),
    _task(
        "image-segmentation",
        "image",
        "ImageSegmentation",
        "ForImageSegmentation|ForSemanticSegmentation|ForUniversalSegmentation",
        "segments",
        "mask_threshold overlap_mask_area_threshold subtask threshold",
    ),
    _task("depth-estimation", "image", "DepthEstimation", "ForDepthEstimation", "depth"),
    _writing("image-text-to-text", "image", "ImageTextToText", "ForImageTextToText", "text", "prompt"),
    PipelineTask(
        "document-question-answering",
        "image",
        "DocumentQuestionAnsweringPipeline",
        ("AutoModelForDocumentQuestionAnswering", "AutoModelForImageTextToText"),
        "answers",
        frozenset({"handle_impossible_answer", "max_answer_len", "question", "top_k"}),
        ("question",),
        only=("layoutlm", "layoutlmv3", "vision-encoder-decoder"),
    ),
    _task(
        "zero-shot-image-classification",
        "image",
        "ZeroShotImageClassification",
        "ForZeroShotImageClassification",
        "labels",
        "hypothesis_template",
        "candidate_labels",
    ),
    _task(
        "zero-shot-object-detection",
        "image",
        "ZeroShotObjectDetection",
        "ForZeroShotObjectDetection",
        "objects",
        "threshold top_k",
        "candidate_labels",
    ),
    _task(
        "text-classification",
        "text",
        "TextClassification",
        "ForSequenceClassification",
        "labels",
        "function_to_apply top_k",
    ),
    _task(
        "token-classification",
        "text",
        "TokenClassification",
        "ForTokenClassification",
        "entities",
        "aggregation_strategy",
    ),
    _task("fill-mask", "text", "FillMask", "ForMaskedLM", "words", "targets top_k"),
    _task(
        "zero-shot-classification",
        "text",
        "ZeroShotClassification",
        "ForSequenceClassification",
        "labels",
        "hypothesis_template multi_label",
        "candidate_labels",
    ),
    _writing("text-generation", "text", "TextGeneration", "ForCausalLM", "text", "prompt"),
    # Models that write spectrograms need a vocoder, which transformers would fetch unasked.
    _task("text-to-audio", "text", "TextToAudio", "ForTextToWaveform", "audio"),
    # Last, since a bare model can be taken out of any other.
    PipelineTask(
        "audio-feature-extraction", "audio", "AudioFeatureExtractionPipeline", ("AutoModel",), "features", own=True
    ),
    _task("image-feature-extraction", "image", "ImageFeatureExtraction", "", "features"),
    _task("feature-extraction", "text", "FeatureExtraction", "", "features"),
)

TASKS: Mapping[str, PipelineTask] = MappingProxyType({task.name: task for task in _TABLE})

#: Other names of tasks; the last is of versions before transformers 5.
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "ner": "token-classification",
        "sentiment-analysis": "text-classification",
        "text-to-speech": "text-to-audio",
        "image-to-text": "image-text-to-text",
    }
)

_AS_CHAT = "give it to a chat module, or to text-generation with a prompt"

#: Tasks that are not done here, and what to do instead.
REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "any-to-any": "serve the model with vLLM or llama.cpp and ask it in a chat module",
        "decision": "ask a chat module",
        "image-to-image": "transformers makes no images any more; use a program for that",
        "keypoint-matching": "it compares pairs of images, and a module's files are read one by one",
        "mask-generation": "use image-segmentation",
        "question-answering": _AS_CHAT,
        "summarization": _AS_CHAT,
        "table-question-answering": "let a code module compute what the table says",
        "text2text-generation": _AS_CHAT,
        "translation": _AS_CHAT,
        "video-classification": "videos are not read; give single pictures to image-classification",
        "visual-question-answering": "use image-text-to-text with a prompt",
        "vqa": "use image-text-to-text with a prompt",
    }
)
