"""Benches: one file each, each with NAME-independent `run() -> Outcome`; `./msp bench NAME` runs one."""
