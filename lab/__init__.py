"""The lab: a real NetBox and real hosts on one machine, for demo, tests and benches. Never for production."""
