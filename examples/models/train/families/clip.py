"""CLIP's text and vision transformers (Radford et al. 2021), with the module names of transformers.

text_hidden_states and vision_hidden_states are lists: the embeddings, then every layer's output, before the final norm.
"""
import torch
from torch import nn


def quick_gelu(x):
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS = {"quick_gelu": quick_gelu, "gelu": nn.functional.gelu}


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def split(self, x):
        b, n, c = x.shape
        return x.reshape(b, n, self.heads, c // self.heads).transpose(1, 2)

    def forward(self, x, bias):
        q, k, v = self.split(self.q_proj(x) * self.scale), self.split(self.k_proj(x)), self.split(self.v_proj(x))
        scores = q @ k.transpose(2, 3)
        if bias is not None:
            scores = scores + bias
        y = torch.softmax(scores, -1) @ v
        return self.out_proj(y.transpose(1, 2).reshape(x.shape))


class MLP(nn.Module):
    def __init__(self, width, inner, act):
        super().__init__()
        self.act = ACTIVATIONS[act]
        self.fc1 = nn.Linear(width, inner)
        self.fc2 = nn.Linear(inner, width)

    def forward(self, x):
        return self.fc2(self.act(self.fc1(x)))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        width = c["hidden_size"]
        self.self_attn = Attention(width, c["num_attention_heads"])
        self.layer_norm1 = nn.LayerNorm(width, eps=c["layer_norm_eps"])
        self.mlp = MLP(width, c["intermediate_size"], c["hidden_act"])
        self.layer_norm2 = nn.LayerNorm(width, eps=c["layer_norm_eps"])

    def forward(self, x, bias):
        x = x + self.self_attn(self.layer_norm1(x), bias)
        return x + self.mlp(self.layer_norm2(x))


class Encoder(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["num_hidden_layers"]))

    def forward(self, x, bias=None):
        states = [x]
        for layer in self.layers:
            states.append(layer(states[-1], bias))
        return states


class TextEmbeddings(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.token_embedding = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.position_embedding = nn.Embedding(c["max_position_embeddings"], c["hidden_size"])

    def forward(self, ids):
        return self.token_embedding(ids) + self.position_embedding.weight[:ids.shape[1]]


class TextTransformer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embeddings = TextEmbeddings(c)
        self.encoder = Encoder(c)
        self.final_layer_norm = nn.LayerNorm(c["hidden_size"], eps=c["layer_norm_eps"])
        # Large and finite: a row whose positions are all masked stays a number.
        causal = torch.full((c["max_position_embeddings"],) * 2, -1e9).triu(1)
        self.register_buffer("causal", causal, persistent=False)

    def forward(self, ids, mask=None):
        """ids [B, L] and mask [B, L] (1 keeps, 0 hides) to (last_hidden_state [B, L, C], pooled [B, C], hidden states)."""
        n = ids.shape[1]
        bias = self.causal[:n, :n]
        if mask is not None:
            bias = bias + (1 - mask[:, None, None].to(bias.dtype)) * -1e9
        states = self.encoder(self.embeddings(ids), bias)
        last = self.final_layer_norm(states[-1])
        # The end of the text has the largest id: eos_token_id 2 of the published configurations means this rule.
        end = ids.argmax(-1)
        pooled = last[torch.arange(ids.shape[0]), end]
        return last, pooled, states


class VisionEmbeddings(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, patch = c["hidden_size"], c["patch_size"]
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.patch_embedding = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        self.position_embedding = nn.Embedding((c["image_size"] // patch) ** 2 + 1, width)

    def forward(self, pixels):
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(pixels.shape[0], 1, -1)
        return torch.cat([first, patches], 1) + self.position_embedding.weight


class VisionTransformer(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, eps = c["hidden_size"], c["layer_norm_eps"]
        self.embeddings = VisionEmbeddings(c)
        self.pre_layrnorm = nn.LayerNorm(width, eps=eps)  # the published spelling
        self.encoder = Encoder(c)
        self.post_layernorm = nn.LayerNorm(width, eps=eps)

    def forward(self, pixels):
        """pixels [B, 3, S, S] to (last_hidden_state [B, N, C] without the norm, pooled [B, C] with it, hidden states)."""
        states = self.encoder(self.pre_layrnorm(self.embeddings(pixels)))
        return states[-1], self.post_layernorm(states[-1][:, 0]), states


class TextModel(nn.Module):
    """CLIPTextModel."""

    def __init__(self, config):
        super().__init__()
        self.text_model = TextTransformer(with_defaults(config))

    def forward(self, ids, mask=None):
        return self.text_model(ids, mask)


class TextModelWithProjection(nn.Module):
    """CLIPTextModelWithProjection."""

    def __init__(self, config):
        super().__init__()
        self.text_model = TextTransformer(with_defaults(config))
        self.text_projection = nn.Linear(config["hidden_size"], config["projection_dim"], bias=False)

    def forward(self, ids, mask=None):
        """(text_embeds [B, P], last_hidden_state, hidden states)."""
        last, pooled, states = self.text_model(ids, mask)
        return self.text_projection(pooled), last, states


class VisionModelWithProjection(nn.Module):
    """CLIPVisionModelWithProjection."""

    def __init__(self, config):
        super().__init__()
        self.vision_model = VisionTransformer(with_defaults(config))
        self.visual_projection = nn.Linear(config["hidden_size"], config["projection_dim"], bias=False)

    def forward(self, pixels):
        """(image_embeds [B, P], last_hidden_state, hidden states)."""
        last, pooled, states = self.vision_model(pixels)
        return self.visual_projection(pooled), last, states


class Model(nn.Module):
    """CLIPModel: one projected space of texts and pictures."""

    def __init__(self, config):
        super().__init__()
        text, vision = config["text_config"], config["vision_config"]
        self.logit_scale = nn.Parameter(torch.zeros(()))
        self.text_model = TextTransformer(with_defaults(text))
        self.vision_model = VisionTransformer(with_defaults(vision))
        self.visual_projection = nn.Linear(vision["hidden_size"], config["projection_dim"], bias=False)
        self.text_projection = nn.Linear(text["hidden_size"], config["projection_dim"], bias=False)

    def text_features(self, ids, mask=None):
        return self.text_projection(self.text_model(ids, mask)[1])

    def image_features(self, pixels):
        return self.visual_projection(self.vision_model(pixels)[1])

    def forward(self, ids, pixels, mask):
        """(logits_per_image [I, T], logits_per_text [T, I], text_embeds [T, P], image_embeds [I, P]), embeddings of length 1."""
        text, image = self.text_features(ids, mask), self.image_features(pixels)
        text = text / text.norm(dim=-1, keepdim=True)
        image = image / image.norm(dim=-1, keepdim=True)
        logits = text @ image.t() * self.logit_scale.exp()
        return logits.t(), logits, text, image


def with_defaults(config):
    return {"layer_norm_eps": 1e-5, **config}
