"""The configuration: one TOML file, read once, frozen, handed down. No settings object at module level.

model      the keys: frozen dataclasses that also carry each key's explanation; doors: those of [api] and [terminals]
key        how a key is read and explained      lists   devices and kiosks
values     what a value may look like
locator    on which line a key stands
reader     TOML -> Config, all problems of a file at once
added      what a technician changed on the page, in a file of the gateway's own
files      the key and certificate files that the configuration names
problems   what is told to the person who wrote the file
describe   docs/configuration.md and deploy/zhijiao.example.toml, made from the model
"""

from gateway.config.doors import ApiConfig
from gateway.config.lists import ANY_PURPOSE, DeviceConfig, KioskConfig
from gateway.config.locator import locate
from gateway.config.model import (
    Config,
    GatewayConfig,
    KeysConfig,
    LogConfig,
    StoreConfig,
    UplinkConfig,
)
from gateway.config.problems import ConfigFileError, Problem, nearest
from gateway.config.reader import load, load_without_files
from gateway.config.reference import KeyDoc, describe
from gateway.config.settings import setting_error
from gateway.config.values import Address, Broker

__all__ = [
    "ANY_PURPOSE",
    "Address",
    "ApiConfig",
    "Broker",
    "Config",
    "ConfigFileError",
    "DeviceConfig",
    "GatewayConfig",
    "KeyDoc",
    "KeysConfig",
    "KioskConfig",
    "LogConfig",
    "Problem",
    "StoreConfig",
    "UplinkConfig",
    "describe",
    "load",
    "load_without_files",
    "locate",
    "nearest",
    "setting_error",
]
