"""The bytes of the tensors that a method's adapter file holds, as peft 0.21 writes it."""

from explorer.budget.formula import evaluate
from explorer.budget.held import PER_NAME, held_bytes
from explorer.budget.memory import trained_size
from explorer.budget.plan import BYTES
from explorer.budget.resolve import Resolved
from explorer.budget.trainable import selection

# Those whose frozen parts go into the file with what trains: once, or again at every linear.
FROZEN_TOO = {"adamss", "delora", "pvera", "shira", "supertuning", "tinylora", "vera"}
FROZEN_AT_EACH = {"randlora"}


def adapter_file_bytes(resolved: Resolved) -> int:
    """Bytes of the file's tensors; safetensors' header adds about a tenth of a kilobyte for each.

    A method that trains the model's own weights has no adapter: its file holds the model.
    """
    method, arch, knobs = resolved.method, resolved.arch, resolved.knobs
    size, stream = trained_size(resolved), int(BYTES[resolved.plan.parameter_dtype])
    if resolved.trains_own_weights:
        return resolved.params.total * size
    trained = resolved.trainable.total * size
    frozen = held_bytes(arch, method, knobs, stream)
    if method.id in FROZEN_TOO:
        return trained + frozen
    if method.id in FROZEN_AT_EACH:
        return trained + frozen * (len(selection(arch, method, knobs).sites) + 1)
    if method.id == "frod":  # one factor of each name, with the places and the size of S
        groups = selection(arch, method, knobs).groups
        names = dict(knobs) | {"stream": stream}
        each = (evaluate(PER_NAME["frod"], names | {"d_in": g.d_in}) + 16 for g in groups)
        return trained + sum(each)
    if method.id == "lily":  # what linears share is written at each of them
        rank, experts = int(knobs["r"]), int(knobs["num_B"])
        sites = selection(arch, method, knobs).sites
        return size * sum(rank * (s.d_in + experts * (s.d_out + 1)) for s in sites)
    if method.id == "p-tuning":  # what the encoder made, without the encoder
        return size * int(knobs["num_virtual_tokens"]) * arch.hidden_size
    if method.id == "cartridge":  # with the first token, which is frozen
        return trained + size * 2 * arch.num_hidden_layers * arch.kv_dim
    return trained
