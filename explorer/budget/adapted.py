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

    def base(self, x: Value, d_in: int, d_out: int, label: str) -> Value:
        """The model's own linear, frozen or trained, quantized or not."""
        setting = self.setting
        if setting.quantization == "4bit":
            return self.tape.linear_4bit(x, d_in, d_out, label, setting.compute)
        if setting.quantization == "int8":
            return self.tape.linear_8bit(x, d_in, d_out, label)
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
        tape, (d_in, d_out), size = self.tape, widths, self.setting.adapter
        math = self.setting.low_rank
        wide = tape.cast(x, size, f"{label}: input for the adapter")
        if act.dropout:
            mask = 1 if self.setting.on_gpu else size
            wide = tape.dropout(wide, mask, f"{label}: input after dropout")
        # peft widens the input to the adapter's type, and autocast makes a copy of that.
        wide = tape.cast(wide, math, f"{label}: input for the adapter")
        down = tape.linear(wide, d_in, act.rank, f"{label}: A x", size * d_in * act.rank)
        up = tape.linear(down, act.rank, d_out, f"{label}: B A x", size * d_out * act.rank)
        if act.dora:
            magnitude = size * d_out
            y = tape.weigh(tape.cast(y, math, f"{label}: output"), magnitude, f"{label}: m W x")
            up = tape.weigh(up, magnitude, f"{label}: m B A x")
        scaled = tape.scale(up, f"{label}: scaled")
        total = tape.add(y, scaled, label)
        return tape.cast(total, x.size, label)

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
        down = tape.linear(x, d_in, act.rank, f"{label}: A x", size * d_in * act.rank)
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
