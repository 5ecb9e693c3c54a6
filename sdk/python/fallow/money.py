"""Money as the market has it: whole micros (10^-6 of the currency), shown as Decimal, never a float."""
from decimal import Decimal, InvalidOperation
from typing import Union

Amount = Union[str, int, Decimal]

MICROS_PER_UNIT = 1_000_000
_DECIMALS_MAX = 6


def decimal_of(amount: Amount) -> Decimal:
    """The exact amount. TypeError for a float, ValueError for what no amount can be."""
    if isinstance(amount, bool) or not isinstance(amount, (str, int, Decimal)):
        raise TypeError(f'{amount!r} is no amount of money: write it as text ("0.40") or as a Decimal, '
                        "for floating point cannot hold it exactly")
    try:
        value = Decimal(amount)
    except InvalidOperation:
        raise ValueError(f'{amount!r} is no amount of money; write it like "0.40"') from None
    if not value.is_finite() or -value.as_tuple().exponent > _DECIMALS_MAX:  # type: ignore[operator]
        raise ValueError(f"{amount!r} is no amount of money: at most {_DECIMALS_MAX} decimals")
    return value


def micros_of(amount: Amount) -> int:
    """The amount in micros."""
    return int(decimal_of(amount).scaleb(_DECIMALS_MAX))


def amount_of_micros(micros: int) -> Decimal:
    return Decimal(micros).scaleb(-_DECIMALS_MAX)


def format_micros(micros: int) -> str:
    """As the market writes it: two to six decimals."""
    whole, part = divmod(abs(micros), MICROS_PER_UNIT)
    decimals = f"{part:06}"
    while len(decimals) > 2 and decimals.endswith("0"):
        decimals = decimals[:-1]
    return f"{'-' if micros < 0 else ''}{whole}.{decimals}"


def format_amount(amount: Amount) -> str:
    """As the API takes it."""
    return format_micros(micros_of(amount))
