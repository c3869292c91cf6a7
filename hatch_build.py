"""Makes the gRPC stubs beside the .proto files of the package: as a part of every build, or by hand.

`pip install .`, `pip install -e .` and wheels do it by themselves; a work tree that uses another one's environment
says `python hatch_build.py`.
"""

import sys
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parent / "src"
PROTOS = ("ordergate/oms/v1/oms.proto", "ordergate/gates/v1/gates.proto")


def make_stubs(source: Path = SOURCE) -> None:
    """Writes NAME_pb2.py, NAME_pb2.pyi and NAME_pb2_grpc.py beside each NAME.proto.

    Raises:
        RuntimeError: the compiler did not take them; it has said why.
    """
    from grpc_tools import protoc

    outputs = [f"--{kind}={source}" for kind in ("python_out", "pyi_out", "grpc_python_out")]
    if protoc.main(["protoc", f"--proto_path={source}", *outputs, *PROTOS]) != 0:
        raise RuntimeError(f"the protocol buffers under {source} cannot be compiled")


try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # by hand, where nothing is built
    pass
else:

    class StubsHook(BuildHookInterface):  # type: ignore[type-arg]
        """Makes the stubs before files are collected."""

        def initialize(self, _version: str, _build_data: dict[str, Any]) -> None:
            """Before wheel, sdist or editable install."""
            make_stubs(Path(self.root) / "src")


if __name__ == "__main__":
    make_stubs()
    sys.stdout.write(f"stubs of {', '.join(PROTOS)}\n")
