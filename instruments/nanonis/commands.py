"""The commands that driver and server speak: types of their arguments and of what they return, SI units throughout."""

from __future__ import annotations

from collections.abc import Mapping

COMMANDS: Mapping[str, tuple[str, str]] = {
    "Util.VersionGet": ("", "s s I I"),  # product line, version, host release, real-time engine release
    "Signals.NamesGet": ("", "S"),
    "Bias.Set": ("f", ""),  # V
    "Bias.Get": ("", "f"),
    "Bias.Pulse": ("I f f H H", ""),  # wait, width s, V, hold Z 0/1/2, 1 relative or 2 absolute
    "ZCtrl.OnOffSet": ("I", ""),
    "ZCtrl.OnOffGet": ("", "I"),
    "ZCtrl.SetpntSet": ("f", ""),  # in the unit of the signal that is controlled: A, or N
    "ZCtrl.SetpntGet": ("", "f"),
    "ZCtrl.GainSet": ("f f f", ""),  # P, time constant s, I
    "ZCtrl.GainGet": ("", "f f f"),
    "ZCtrl.Withdraw": ("I i", ""),  # wait, time-out ms
    "AutoApproach.Open": ("", ""),
    "AutoApproach.OnOffSet": ("H", ""),
    "AutoApproach.OnOffGet": ("", "H"),
    "FolMe.XYPosSet": ("d d I", ""),  # m, m, wait
    "FolMe.XYPosGet": ("I", "d d"),
    "FolMe.SpeedSet": ("f I", ""),  # m/s; 1 to use it, 0 for that of the scan
    "FolMe.SpeedGet": ("", "f I"),
    "Piezo.RangeGet": ("", "f f f"),  # m
    "Scan.FrameSet": ("f f f f f", ""),  # centre x, y, width, height m, angle deg
    "Scan.FrameGet": ("", "f f f f f"),
    "Scan.BufferSet": ("[i i i", ""),  # channel indexes, pixels, lines
    "Scan.BufferGet": ("", "[i i i"),
    "Scan.SpeedSet": ("f f f f H f", ""),  # m/s, m/s, s, s a line, keep 0/1/2, ratio
    "Scan.SpeedGet": ("", "f f f f H f"),
    "Scan.Action": ("H I", ""),  # 0 start, 1 stop, 2 pause, 3 resume; 0 down, 1 up
    "Scan.StatusGet": ("", "I"),
    "Scan.WaitEndOfScan": ("i", "I s"),  # ms; timed out, path
    "Scan.FrameDataGrab": ("I I", "s 2f I"),  # channel, 1 forward; name, data, 1 up
    "BiasSpectr.Open": ("", ""),
    "BiasSpectr.ChsSet": ("[i", ""),
    "BiasSpectr.PropsSet": ("H i H i f H H", ""),  # save all, sweeps, backward, points, Z offset m, autosave, dialog
    "BiasSpectr.TimingSet": ("f f f f f f f f", ""),
    "BiasSpectr.LimitsSet": ("f f", ""),
    "BiasSpectr.MLSModeSet": ("s", ""),  # Linear or MLS
    "BiasSpectr.MLSValsSet": ("n =f =f =f =f =f =i =I", ""),  # from V, to V, initial, settling, integration s, steps
    "BiasSpectr.Start": ("I s", "S 2f [f"),  # get data, base name; names, data, parameters
    "BiasSpectr.Stop": ("", ""),
    "BiasSpectr.StatusGet": ("", "I"),
}

SIGNALS: Mapping[str, tuple[str, str, float]] = {
    "Z (m)": ("height", "nm", 1e9),
    "Current (A)": ("current", "pA", 1e12),
    "Amplitude (m)": ("amplitude", "pm", 1e12),
    "Phase (rad)": ("phase", "rad", 1.0),
    "Piezoresponse (m)": ("piezoresponse", "pm", 1e12),
}
"""Signal on the controller -> channel here, its unit, and units in one SI unit: what a site's set-up decides."""
BIAS_COLUMN = "Bias calc (V)"
