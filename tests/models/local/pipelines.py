"""Tiny models of random weights for pipelines, and the files that they read: made here, nothing is fetched."""

from __future__ import annotations

import json
import math
import struct
import wave
from pathlib import Path
from typing import Any

import torch
from PIL import Image

RATE = 16_000
_LETTERS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefghijklmnopqrstuvwxyz"]
_WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "sea", "sings", "low", "a", "picture", "of"]


def wav(path: Path, seconds: float = 0.5, *, rate: int = RATE, channels: int = 1) -> Path:
    """Write a tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        tone = (int(9_000 * math.sin(n * 2_000 / rate)) for n in range(int(seconds * rate)))
        sound.writeframes(b"".join(struct.pack("<h", value) * channels for value in tone))
    return path


def png(path: Path, size: tuple[int, int] = (40, 30)) -> Path:
    """Write a picture with an edge in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, (20, 40, 120))
    image.paste((220, 200, 40), (0, 0, size[0] // 2, size[1]))
    image.save(path, "PNG")
    return path


def _saved(place: Path, model: Any, *parts: Any) -> Path:
    for part in (model, *parts):
        part.save_pretrained(place)
    return place


def _wav2vec2(**more: Any) -> Any:
    from transformers import Wav2Vec2Config

    torch.manual_seed(3)
    return Wav2Vec2Config(
        vocab_size=len(_LETTERS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(16, 16),
        conv_kernel=(10, 8),
        conv_stride=(8, 8),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        classifier_proj_size=8,
        **more,
    )


def _ears() -> Any:
    from transformers import Wav2Vec2FeatureExtractor

    return Wav2Vec2FeatureExtractor(sampling_rate=RATE)


def speech_model(place: Path) -> Path:
    """A wav2vec2 that hears letters."""
    from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2ForCTC

    place.mkdir(parents=True, exist_ok=True)
    vocabulary = place / "vocab.json"
    vocabulary.write_text(json.dumps({token: index for index, token in enumerate(_LETTERS)}))
    tokenizer = Wav2Vec2CTCTokenizer(str(vocabulary))
    return _saved(place, Wav2Vec2ForCTC(_wav2vec2(pad_token_id=0)), tokenizer, _ears())


def sound_classifier(place: Path) -> Path:
    """A wav2vec2 that tells three kinds of sounds apart."""
    from transformers import Wav2Vec2ForSequenceClassification

    config = _wav2vec2(id2label={0: "sea", 1: "wind", 2: "voice"}, label2id={"sea": 0, "wind": 1, "voice": 2})
    return _saved(place, Wav2Vec2ForSequenceClassification(config), _ears())


def _vit(cls: str, place: Path, **more: Any) -> Path:
    import transformers

    torch.manual_seed(3)
    config = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=16,
        **more,
    )
    eyes = transformers.ViTImageProcessor(size={"height": 32, "width": 32})
    return _saved(place, getattr(transformers, cls)(config), eyes)


def image_classifier(place: Path) -> Path:
    """A ViT that tells two kinds of pictures apart."""
    labels = {0: "day", 1: "night"}
    return _vit("ViTForImageClassification", place, id2label=labels, label2id={"day": 0, "night": 1})


def _reader() -> Any:
    from transformers import BertTokenizer

    return BertTokenizer(vocab={word: index for index, word in enumerate(_WORDS)})


def text_model(place: Path, cls: str = "BertModel", **more: Any) -> Path:
    """A BERT of a dozen words that reads 32 tokens."""
    import transformers

    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=len(_WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        **more,
    )
    return _saved(place, getattr(transformers, cls)(config), _reader())


def captioner(place: Path) -> Path:
    """A BLIP that writes a few words about a picture."""
    import transformers

    torch.manual_seed(3)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = transformers.BlipConfig(
        text_config={
            **small,
            "vocab_size": len(_WORDS),
            "encoder_hidden_size": 16,
            "projection_dim": 16,
            "max_position_embeddings": 32,
            "bos_token_id": 2,
            "eos_token_id": 3,
            "sep_token_id": 3,
            "pad_token_id": 0,
        },
        vision_config={**small, "image_size": 32, "patch_size": 16, "projection_dim": 16},
        projection_dim=16,
        image_text_hidden_size=16,
    )
    eyes = transformers.BlipImageProcessor(size={"height": 32, "width": 32})
    model = transformers.BlipForConditionalGeneration(config)
    model.generation_config.max_new_tokens = 4
    return _saved(place, model, transformers.BlipProcessor(eyes, _reader()))


MODELS = {
    "speech": speech_model,
    "sounds": sound_classifier,
    "pictures": image_classifier,
    "captions": captioner,
    "words": text_model,
    "blanks": lambda place: text_model(place, "BertForMaskedLM"),
    "moods": lambda place: text_model(
        place,
        "BertForSequenceClassification",
        id2label={0: "contradiction", 1: "entailment"},
        label2id={"contradiction": 0, "entailment": 1},
    ),
}


class Shelf:
    """The models by name, each made when it is first asked for."""

    def __init__(self, base: Path) -> None:
        self._base = base

    def __call__(self, name: str) -> Path:
        place = self._base / name
        return place if place.exists() else MODELS[name](place)
