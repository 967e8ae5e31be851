"""The bytes of the tensors that a method's adapter file holds, as peft 0.21 writes it."""

from explorer.budget.held import buffer_bytes, shared_bytes
from explorer.budget.memory import sizes_of, trained_size
from explorer.budget.plan import BYTES
from explorer.budget.quantization import FOUR_BIT, four_bit_parts, int8_parts, is_quantized
from explorer.budget.resolve import Resolved
from explorer.budget.trainable import selection

# Those whose frozen parts go into the file with what trains: once, or again at every linear.
FROZEN_TOO = {
    "adamss", "cartridge", "delora", "glora", "lora", "pvera", "shira", "supertuning", "tinylora",
    "vera",
}  # fmt: skip
FROZEN_AT_EACH = {"randlora"}
ENDS = {"embed_tokens", "lm_head"}  # written whole, base and all, where a target names them


def adapter_file_bytes(resolved: Resolved) -> int:
    """Bytes of the file's tensors; safetensors' header adds about a tenth of a kilobyte for each.

    A method that trains the model's own weights has no adapter: its file holds the model.
    """
    size = trained_size(resolved)
    if resolved.trains_own_weights:
        return resolved.params.total * size
    return _prompt_bytes(resolved, size) or _adapter_bytes(resolved, size) + _ends_bytes(resolved)


def _prompt_bytes(resolved: Resolved, size: int) -> int:
    """What an encoder made, without the encoder; 0 for a method that writes none."""
    knobs, arch = resolved.knobs, resolved.arch
    if resolved.method.id == "p-tuning":
        return size * int(knobs["num_virtual_tokens"]) * arch.hidden_size
    if resolved.method.id == "prefix-tuning":
        return size * int(knobs["num_virtual_tokens"]) * arch.num_hidden_layers * 2 * arch.kv_dim
    return 0


def _ends_bytes(resolved: Resolved) -> int:
    """The model's own embedding and head where they are among the targets.

    Of a quantized head what bitsandbytes holds, without the 0.1 to 0.2 kB that describe it.
    """
    plan, arch = resolved.plan, resolved.arch
    if not any(knob.type == "sites" for knob in resolved.method.knobs.values()):
        return 0
    sites = selection(arch, resolved.method, resolved.knobs).sites
    total = 0
    for site in (site for site in sites if site.name in ENDS):
        if plan.is_quantized and is_quantized(site, plan.skipped_modules, arch.tie_word_embeddings):
            parts = int8_parts(site.d_in, site.d_out)
            if plan.quantization in FOUR_BIT:
                block, double = plan.quantization_block, plan.double_quantization
                parts = four_bit_parts(site.weight, block, double)
            total += sum(parts.values())
        else:
            total += int(BYTES[plan.parameter_dtype]) * site.weight
    return total


def _adapter_bytes(resolved: Resolved, size: int) -> int:
    method, arch, knobs = resolved.method, resolved.arch, resolved.knobs
    sizes = sizes_of(resolved)
    trained = resolved.trainable.total * size
    frozen = buffer_bytes(arch, method, knobs, sizes)
    if method.id in FROZEN_TOO:
        return trained + frozen
    if method.id in FROZEN_AT_EACH:
        return trained + frozen * (len(selection(arch, method, knobs).sites) + 1)
    if method.id == "frod":  # the weights' own factors are left out
        return trained + shared_bytes(arch, method, knobs, sizes)
    if method.id == "lily":  # what linears share is written at each of them
        rank, experts = int(knobs["r"]), int(knobs["num_B"])
        sites = selection(arch, method, knobs).sites
        return size * sum(rank * (s.d_in + experts * (s.d_out + 1)) for s in sites)
    if method.id == "trainable-tokens" and arch.tie_word_embeddings:
        return 2 * trained  # the head's rows are the embedding's, and are written again
    return trained
