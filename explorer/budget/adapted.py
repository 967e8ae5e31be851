"""Norms and linears of a decoder layer with what a method does there, recorded on the tape."""

from explorer.budget.activity import LayerAct, SiteAct
from explorer.budget.engine import Value
from explorer.budget.recorded import RECORDERS, Spot
from explorer.budget.shape import Setting, Shape
from explorer.budget.tape import Tape


class Linears:
    """Linears of the model, each with what the method does there."""

    def __init__(self, tape: Tape, act: LayerAct, setting: Setting) -> None:
        self.tape, self.act, self.setting = tape, act, setting
        self.sites = dict(act.sites)

    def linear(self, name: str, x: Value, d_in: int, d_out: int) -> Value:
        """A linear of the model with what the method does there."""
        label = name.rsplit(".", 1)[-1]
        act = self.sites.get(name)
        with self.tape.holding(x):
            if act is not None and act.kind.startswith("affine"):
                return self._affine(x, (d_in, d_out), act, label)
            if act is not None and act.kind.startswith("scaled"):
                return self._scaled(x, (d_in, d_out), act, label)
            if act is not None and act.kind == "recorded":
                return RECORDERS[act.method](self._spot(x, (d_in, d_out), act, label))
            y = self.base(x, d_in, d_out, label)
            if act is None:
                return y
            with self.tape.holding(y):
                return self._low_rank(x, y, (d_in, d_out), act, label)

    def narrowed(self, label: str, numbers: int) -> Value | None:
        """The copy of a trained matrix in the type of the stream, None where that is its own."""
        if self.setting.stream == self.setting.adapter:
            return None
        return self.tape.value(f"{label} in 16 bits", numbers, self.setting.stream)

    def base(self, x: Value, d_in: int, d_out: int, label: str) -> Value:
        """The model's own linear, frozen or trained, quantized or not."""
        setting = self.setting
        if setting.quantization == "4bit":
            return self.tape.linear_4bit(x, d_in, d_out, label, setting.compute)
        if setting.quantization == "int8":
            return self.tape.linear_8bit(x, d_in, d_out, label, setting.on_gpu)
        weights = setting.own * d_in * d_out if self.act.everything else 0
        return self.tape.linear(x, d_in, d_out, label, weights)

    def _spot(self, x: Value, widths: tuple[int, int], act: SiteAct, label: str) -> Spot:
        setting, (d_in, d_out) = self.setting, widths
        return Spot(
            tape=self.tape,
            x=x,
            d_in=d_in,
            d_out=d_out,
            label=label,
            size=setting.adapter,
            math=setting.low_rank,
            own_size=setting.stream,
            on_gpu=setting.on_gpu,
            knobs=dict(act.knobs),
            base=lambda given: self.base(given, d_in, d_out, label),
        )

    def _low_rank(
        self, x: Value, y: Value, widths: tuple[int, int], act: SiteAct, label: str
    ) -> Value:
        tape, size, math = self.tape, self.setting.adapter, self.setting.low_rank
        wide = tape.cast(x, size, f"{label}: input for the adapter")
        if act.dropout:
            mask = 1 if self.setting.on_gpu else size
            wide = tape.dropout(wide, mask, f"{label}: input after dropout")
        # peft widens the input to the adapter's type, and autocast makes a copy of that.
        wide = tape.cast(wide, math, f"{label}: input for the adapter")
        if act.dora:
            with tape.holding(wide):
                scaled = self._dora(wide, y, widths, act, label)
        else:
            scaled = tape.scale(self._update(wide, widths, act.rank, label), f"{label}: scaled")
        total = tape.add(y, scaled, label)
        return tape.cast(total, x.size, label)

    def _update(self, wide: Value, widths: tuple[int, int], rank: int, label: str) -> Value:
        """B A x."""
        (d_in, d_out), size = widths, self.setting.adapter
        down = self.tape.linear(wide, d_in, rank, f"{label}: A x", size * d_in * rank)
        return self.tape.linear(down, rank, d_out, f"{label}: B A x", size * d_out * rank)

    def _dora(
        self, wide: Value, y: Value, widths: tuple[int, int], act: SiteAct, label: str
    ) -> Value:
        """(m - 1) W x + m s B A x, with W x computed anew where x went through dropout.

        For the norm under m, peft multiplies B A out of an identity, and holds it, the update and
        the weight in the adapter's type until the linear is done.
        """
        tape, (d_in, d_out), size = self.tape, widths, self.setting.adapter
        identity = tape.value(f"{label}: identity", d_in * d_in, size, False)
        update = tape.value(f"{label}: B A", d_in * d_out, size, False)
        own = self.setting.quantization == "none" and self.setting.own == size
        weight = tape.value(f"{label}: weight", 0 if own else d_in * d_out, size, False)
        tape.forward_flops += 2 * d_in * act.rank * (d_in + d_out)
        with tape.holding(identity, update, weight):
            tape.briefly(2 * update.bytes)  # s B A, and its sum with the weight
            up = self._update(wide, widths, act.rank, label)
            if act.dropout:
                y = tape.linear(wide, d_in, d_out, f"{label}: W x after dropout", made=weight)
            based = tape.value(f"{label}: m W x", y.numbers, max(size, y.size))
            based = tape.record(based, [y], [y], scratch=based.bytes, weights=size * d_out)
            weighed = tape.value(f"{label}: m B A x", up.numbers, max(size, up.size))
            weighed = tape.record(weighed, [up], [up], scratch=weighed.bytes)
            return tape.add(based, tape.scale(weighed, f"{label}: scaled"), f"{label}: update")

    def _scaled(self, x: Value, widths: tuple[int, int], act: SiteAct, label: str) -> Value:
        """IA3's scale on the input or the output, in the wider type, then back."""
        tape, (d_in, d_out), size = self.tape, widths, self.setting.adapter
        if act.kind == "scaled input":
            wide = tape.cast(x, size, f"{label}: input for the adapter")
            scaled = tape.weigh(wide, size * d_in, f"{label}: scaled input")
            return self.base(tape.cast(scaled, x.size), d_in, d_out, label)
        y = self.base(x, d_in, d_out, label)
        product = tape.value(f"{label}: scaled", y.numbers, max(size, y.size))
        product = tape.record(product, [y], [y], scratch=product.bytes, weights=size * d_out)
        return tape.cast(product, x.size, label)

    def _affine(self, x: Value, widths: tuple[int, int], act: SiteAct, label: str) -> Value:
        """V2's scale and bias, or a scale alone, on the input or the output."""
        tape, (d_in, d_out), size = self.tape, widths, self.setting.adapter
        if act.kind == "affine input":
            scaled = tape.weigh(x, size * d_in, f"{label}: scaled input")
            y = tape.shift(self.base(scaled, d_in, d_out, label), size * d_out, label)
        else:
            shifted = tape.shift(self.base(x, d_in, d_out, label), size * d_out, label)
            y = tape.weigh(shifted, size * d_out, label)
        if not act.rank:
            return y
        narrow = self.narrowed(f"{label}: A", d_in * act.rank)
        down = tape.linear(x, d_in, act.rank, f"{label}: A x", size * d_in * act.rank, narrow)
        up = size * d_out * act.rank
        scaled = tape.value(f"{label}: B times its strength", d_out * act.rank, x.size)
        update = tape.linear(down, act.rank, d_out, f"{label}: B A x", up, scaled)
        return tape.add(y, update, label)


class Adapted(Linears):
    """The parts that every block of a layer is made of."""

    def __init__(self, tape: Tape, shape: Shape, act: LayerAct, setting: Setting) -> None:
        super().__init__(tape, act, setting)
        self.shape = shape

    def norm(self, x: Value, name: str) -> Value:
        size = self.setting.own if self.act.everything else self.setting.adapter
        weights = size * self.shape.hidden if self.act.norms else 0
        return self.tape.norm(x, self.shape.hidden, name, weights)
