"""What differs between builds of gem5."""

from gem5 import runtime
from gem5.utils import requires as requires_module


def allow_builds_without_ruby():
    """The standard library asks every build for its Ruby protocol, and a build
    without Ruby has none to name. Classic caches need none."""
    try:
        runtime.get_runtime_coherence_protocol()
    except Exception:
        requires_module.get_runtime_coherence_protocol = lambda: None
