"""Room in peft's closed list of methods for the tuners that peft does not ship."""

from peft import PeftType


def add_peft_type(name: str) -> PeftType:
    """The member `name` of `PeftType`, made when it is missing.

    `register_peft_method` and the loaders look a method up among the members of this enumeration,
    and peft offers no way to add one, so the member is built as Enum itself builds it. A peft
    that one day ships a method of this name keeps its own member.
    """
    if name in PeftType.__members__:
        return PeftType[name]
    member = str.__new__(PeftType, name)
    member._name_ = name
    member._value_ = name
    setattr(PeftType, name, member)  # before the map below, which makes the name read-only
    PeftType._member_names_.append(name)
    PeftType._member_map_[name] = member
    PeftType._value2member_map_[name] = member
    return member
