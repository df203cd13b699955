"""Units of lengths: records have mm, files of CMS have cm."""

from __future__ import annotations

import re

__all__ = ["MM_PER_CM", "is_cms_length"]

MM_PER_CM = 10.0

_LENGTH = re.compile(
    r"(dxy|dz|d0|d3d|dlen|ip3d)(bs)?(Err)?|v?[xyz](Error)?|sigmaZ(Error)?"
    r"|(DeepCSV_)?(flightDistance[23]dVal|track(DecayLen|JetDist)Val_\d|trackSip[23]dVal\w*|btag(Sip3d|JetDist)Val)"
)


def is_cms_length(branch: str) -> bool:
    """Whether a branch of CMS NanoAOD, "Muon_dxy", holds lengths, in cm.

    Example:
        >>> [is_cms_length(branch) for branch in ("Muon_dxy", "Muon_sip3d", "PV_z", "SV_dlenSig", "Jet_pt")]
        [True, False, True, False, False]
    """
    return _LENGTH.fullmatch(branch.partition("_")[2]) is not None
