"""paho-mqtt behind CloudPort."""
