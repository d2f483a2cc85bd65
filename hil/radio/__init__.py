"""The radio bench: an emulated machine whose kernel has Bluetooth, the real bluetoothd, and phones made of software."""
