"""Run by test_nanonis.py with a Python that has nanonis-spm and nanonisTCP: both drive the server at a port."""

import socket
import sys

import numpy as np
from nanonis_spm import Nanonis
from nanonisTCP import nanonisTCP
from nanonisTCP.Bias import Bias
from nanonisTCP.Scan import Scan

port = int(sys.argv[1])
n = Nanonis(socket.create_connection(("127.0.0.1", port)))
assert n.Bias_Set(0.5)[0] == ""
assert n.Bias_Get()[2] == [0.5]
assert n.Signals_NamesGet()[2][2] == ["Piezoresponse (m)", "Amplitude (m)", "Phase (rad)", "Z (m)"]
assert n.Scan_FrameSet(0.0, 0.0, 1e-7, 5e-8, 0.0)[0] == ""
assert np.allclose(n.Scan_FrameGet()[2], [0.0, 0.0, 1e-7, 5e-8, 0.0])
assert n.Scan_BufferSet([0, 1], 16, 8)[0] == ""
assert n.Scan_BufferGet()[2] == [2, [(0,), (1,)], 16, 8]
assert n.Scan_SpeedSet(1e-6, 1e-6, 0.02, 0.02, 2, 1.0)[0] == ""
assert n.Scan_Action(0, 1)[0] == ""
assert n.Scan_WaitEndOfScan(20000)[2][0] == 0
image = n.Scan_FrameDataGrab(0, 1)[2][4]
assert np.shape(image) == (8, 16)
assert np.isfinite(image).all()
assert n.FolMe_XYPosSet(1e-8, 2e-8, 1)[0] == ""
assert np.allclose(n.FolMe_XYPosGet(1)[2], [1e-8, 2e-8])
assert n.BiasSpectr_MLSModeSet("MLS")[0] == ""
three = [0.0] * 3
assert (
    n.BiasSpectr_MLSValsSet(3, [0.0, 4.0, -4.0], [4.0, -4.0, 0.0], three, three, [0.01] * 3, [8, 16, 8], [0] * 3)[0]
    == ""
)
spectrum = n.BiasSpectr_Start(1, "")
assert spectrum[0] == ""
assert spectrum[2][2] == ["Bias calc (V)", "Piezoresponse (m)"]
assert np.shape(spectrum[2][5]) == (2, 32)
assert n.Bias_Pulse(1, 0.05, 5.0, 0, 2)[0] == ""
assert n.ZCtrl_Withdraw(1, 1000)[0] == ""
assert n.quickSend("No.Such", [], [], [])[0] == "unknown command No.Such"
other = nanonisTCP("127.0.0.1", port, version=13000)
Bias(other).Set(1.25)
assert Bias(other).Get() == 1.25
scan = Scan(other)
assert scan.BufferGet() == [2, [0, 1], 16, 8]
scan.Action("start")
assert not scan.WaitEndOfScan(20000)[0]
name, data, up = scan.FrameDataGrab(0, 1)
assert (name, np.shape(data), up) == ("Piezoresponse (m)", (8, 16), "up")
print("accepted")
