"""Areas and shares as people write them."""

from __future__ import annotations


def share_text(share: float) -> str:
    """A share as per cent; what is there is not said to be nothing."""
    if 0 < share < 0.0005:
        return "< 0.1 %"
    return f"{100 * share:.1f} %"


def hectares_text(hectares: float) -> str:
    """A number of hectares without its unit, for columns; what is there is not said to be nothing."""
    if 0 < hectares < 0.005:
        return "< 0.01"
    return f"{hectares:,.0f}" if hectares >= 10 or not hectares else f"{hectares:.2f}"


def patches_text(split: str, count: int) -> str:
    """How many patches, and of what: `1 patch of the test split`, `40 patches of all splits`."""
    return f"{count:,} patch{'' if count == 1 else 'es'} of {'all splits' if split == 'all' else f'the {split} split'}"


def area_text(hectares: float) -> str:
    """An area in hectares or, where that takes too many digits, in thousands or millions of them."""
    for limit, factor, unit in ((1e6, 1e6, "million ha"), (1e5, 1e3, "thousand ha")):
        if hectares >= limit:
            return f"{hectares / factor:,.2f} {unit}" if factor == 1e6 else f"{hectares / factor:,.0f} {unit}"
    return f"{hectares:,.0f} ha" if hectares >= 10 else f"{hectares:.1f} ha"
