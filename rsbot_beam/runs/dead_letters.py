"""What a run says at its end of the tiles that failed for good."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from rsbot_beam import storage
from rsbot_beam.data.shards import DeadLetter
from rsbot_beam.errors import DeadLettersError

# Dead letters that the message lists; all are in their folder.
_LISTED = 5
LOGGER = logging.getLogger("rsbot_beam")


def check_dead_letters(root: str, tiles: Mapping[str, int], letters: Iterable[DeadLetter], allowed: bool) -> None:
    """Say which tiles failed for good, if any did.

    Args:
        root: The run's folder.
        tiles: Numbers of tiles, with those `asked` and `dead`.
        letters: All of the run; read only where there are some.
        allowed: Whether that is a success.

    Raises:
        DeadLettersError: There are some, and they are not allowed.
    """
    if not tiles["dead"]:
        return
    found = list(letters)
    listed = "".join(f"\n  {letter.tile}: {letter.kind}: {letter.message}" for letter in found[:_LISTED])
    more = f"\n  and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    message = (
        f"{tiles['dead']} of {tiles['asked']} tiles failed for good; all are in {storage.join(root, 'dead_letters')}:"
        f"{listed}{more}\nStart the same command again to retry them, or accept them with --allow_dead_letters"
    )
    if not allowed:
        raise DeadLettersError(message)
    LOGGER.warning("%s", message)
