"""testcontainers for Python against the engine of DOCKER_HOST, which has the
image `busybox`."""

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from checks import check, finish

IMAGE = "busybox:latest"

with check("a container is there for its block, and gone after"):
    loop = ["sh", "-c", "echo is ready; sleep 1000"]
    ready = LogMessageWaitStrategy("is ready")
    with (
        DockerContainer(IMAGE)
        .with_command(loop)
        .with_env("A", "b")
        .waiting_for(ready) as container
    ):
        code, out = container.exec(["sh", "-c", "echo $A"])
        assert (code, out) == (0, b"b\n"), (code, out)
        out, _ = container.get_logs()
        assert b"is ready" in out, out
        wrapped = container.get_wrapped_container()
        wrapped.reload()
        assert wrapped.status == "running"
        client = container.get_docker_client().client
        name = wrapped.id
    assert name not in [c.id for c in client.containers.list(all=True)]

with check("volumes and files are mounted"):
    with (
        DockerContainer(IMAGE)
        .with_command(["sleep", "1000"])
        .with_volume_mapping("/etc/hostname", "/host-name", "ro") as container
    ):
        code, out = container.exec(["cat", "/host-name"])
        assert code == 0 and out, (code, out)

finish()
