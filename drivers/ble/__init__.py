"""Phones over Bluetooth Low Energy: framing, links, and the GATT service on BlueZ."""
