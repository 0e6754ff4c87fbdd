"""docker-py's common operations against the engine of DOCKER_HOST, which
has the image `busybox`."""

import io
import tarfile
import threading
import time

import docker
from docker.errors import APIError, ContainerError, NotFound

from checks import check, finish

IMAGE = "busybox:latest"
SLEEP = ["sleep", "1000"]
client = docker.from_env(timeout=60)
api = client.api


def refused(status, call, *args, **named):
    """The error of a call that has to be refused."""
    try:
        call(*args, **named)
    except APIError as error:
        assert error.response.status_code == status, error
        return error
    raise AssertionError("it was not refused")


def until(what, seconds=20):
    """Waits until a condition holds."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def archive(files):
    """A tar with these names and contents."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


def contents(chunks):
    """The files of a tar that comes in chunks."""
    data = io.BytesIO(b"".join(chunks))
    with tarfile.open(fileobj=data) as tar:
        return {
            member.name: tar.extractfile(member).read()
            for member in tar
            if member.isfile()
        }


with check("ping, version, info"):
    assert client.ping()
    assert client.version()["ApiVersion"]
    assert client.info()["OSType"] == "linux"

with check("images are listed and found"):
    image = client.images.get(IMAGE)
    assert IMAGE in image.tags
    assert image.id in [one.id for one in client.images.list()]

with check("run gives the output"):
    out = client.containers.run(IMAGE, ["echo", "hello"], remove=True)
    assert out == b"hello\n", out

with check("run gives both streams"):
    out = client.containers.run(
        IMAGE, ["sh", "-c", "echo out; echo err >&2"], remove=True,
        stdout=True, stderr=True,
    )
    assert sorted(out.split()) == [b"err", b"out"], out

with check("run raises with the exit status and the errors"):
    try:
        client.containers.run(
            IMAGE, ["sh", "-c", "echo bad >&2; exit 3"], remove=True
        )
        raise AssertionError("no error")
    except ContainerError as error:
        assert error.exit_status == 3 and b"bad" in error.stderr, error

with check("a missing image is told"):
    refused(404, client.api.create_container, "no.such.image/x:y", "true")

with check("environment, user, directory, limits, labels arrive"):
    script = "echo $A; id -u; pwd; cat /proc/self/limits | grep 'open files'"
    out = client.containers.run(
        IMAGE, ["sh", "-c", script], remove=True, environment={"A": "b c"},
        user="1000:1000", working_dir="/tmp", labels={"x": "y"},
        mem_limit="64m", nano_cpus=500_000_000, pids_limit=50,
        ulimits=[docker.types.Ulimit(name="nofile", soft=100, hard=200)],
        cap_drop=["ALL"], read_only=True, tmpfs={"/scratch": "size=1m"},
        security_opt=["no-new-privileges"], init=True,
    )
    lines = out.decode().splitlines()
    assert lines[:3] == ["b c", "1000", "/tmp"], lines
    assert lines[3].split()[3:5] == ["100", "200"], lines

web = client.containers.run(
    IMAGE, ["sh", "-c", "while echo tick; do sleep 0.1; done"], detach=True,
    name="py-web", labels={"role": "web"},
)

with check("a detached container runs and is found"):
    web.reload()
    assert web.status == "running" and web.name == "py-web"
    assert client.containers.get("py-web").id == web.id
    found = client.containers.list(filters={"label": "role=web"})
    assert [one.id for one in found] == [web.id]

with check("logs: tail, since, follow"):
    until(lambda: web.logs().count(b"tick") > 3)
    assert web.logs(tail=2).count(b"tick") == 2
    assert b"T" in web.logs(timestamps=True, tail=1).split()[0]
    stream = web.logs(stream=True, follow=True, tail=0)
    assert next(stream).strip() == b"tick"
    stream.close()

with check("attach streams what comes"):
    stream = web.attach(stream=True, logs=False)
    assert b"tick" in next(stream)

with check("exec: output, exit code, streams apart"):
    code, out = web.exec_run(["sh", "-c", "echo in; exit 4"])
    assert (code, out) == (4, b"in\n"), (code, out)
    code, (out, err) = web.exec_run(
        ["sh", "-c", "echo o; echo e >&2"], demux=True
    )
    assert (code, out, err) == (0, b"o\n", b"e\n"), (code, out, err)
    code, out = web.exec_run(
        "sh -c 'echo $V; id -u; pwd'", environment={"V": "v"},
        user="12", workdir="/etc",
    )
    assert out.split() == [b"v", b"12", b"/etc"], out
    code, _ = web.exec_run(["no-such-program"])
    assert code == 127, code

with check("exec: detached, tty, inspect"):
    made = api.exec_create(web.id, ["sh", "-c", "exit 9"])["Id"]
    api.exec_start(made, detach=True)
    until(lambda: not api.exec_inspect(made)["Running"])
    assert api.exec_inspect(made)["ExitCode"] == 9
    made = api.exec_create(web.id, ["tty"], tty=True)["Id"]
    assert b"/dev/pts/" in api.exec_start(made, tty=True)

with check("exec: a socket to type on"):
    made = api.exec_create(web.id, ["cat"], stdin=True, tty=True)["Id"]
    wire = api.exec_start(made, socket=True, tty=True)
    wire._sock.sendall(b"typed\n")
    seen = b""
    while seen.count(b"typed") < 2:
        seen += wire._sock.recv(100)
    wire._sock.sendall(b"\x04")
    wire.close()
    until(lambda: not api.exec_inspect(made)["Running"])

with check("top and stats"):
    titles = web.top()["Titles"]
    assert "PID" in titles and "CMD" in titles, titles
    assert web.top(ps_args="aux")["Titles"][0] == "USER"
    one = web.stats(stream=False)
    assert one["memory_stats"]["usage"] > 0, one
    assert one["cpu_stats"]["cpu_usage"]["total_usage"] > 0, one
    stream = web.stats(stream=True, decode=True)
    assert next(stream)["id"] == web.id
    stream.close()

with check("pause and unpause"):
    web.pause()
    web.reload()
    assert web.status == "paused"
    refused(409, web.exec_run, "true")
    web.unpause()
    web.reload()
    assert web.status == "running"

with check("update and rename"):
    web.update(mem_limit="64m", memswap_limit="64m")
    web.reload()
    assert web.attrs["HostConfig"]["Memory"] == 64 << 20
    web.rename("py-renamed")
    assert client.containers.get("py-renamed").id == web.id
    web.rename("py-web")
    refused(409, client.containers.create, IMAGE, "true", name="py-web")

with check("files go in and come out"):
    assert web.put_archive("/tmp", archive({"a/one": b"1", "two": b"22"}))
    chunks, stat = web.get_archive("/tmp/two")
    assert stat["name"] == "two" and stat["size"] == 2, stat
    assert contents(chunks) == {"two": b"22"}
    code, out = web.exec_run("cat /tmp/a/one")
    assert out == b"1", out
    refused(404, web.get_archive, "/no/such/file")

with check("changes and export"):
    kinds = {one["Path"]: one["Kind"] for one in web.diff()}
    assert kinds["/tmp/two"] == 1 and kinds["/tmp"] == 0, kinds
    files = contents(web.export())
    assert files["tmp/two"] == b"22"

with check("commit makes an image"):
    image = web.commit(
        repository="py-made", tag="one", message="m", author="a",
        changes=["ENV FROM=commit", 'CMD ["cat", "/tmp/two"]'],
    )
    assert "py-made:one" in image.tags
    out = client.containers.run("py-made:one", remove=True)
    assert out == b"22", out
    client.images.remove("py-made:one")

with check("restart, stop, start, kill, wait"):
    web.restart(timeout=0)
    web.reload()
    assert web.status == "running"
    web.stop(timeout=0)
    assert web.wait()["StatusCode"] == 137
    web.start()
    web.kill(signal="KILL")
    assert web.wait()["StatusCode"] == 137
    refused(409, web.kill)

with check("wait for the removal"):
    short = client.containers.create(IMAGE, ["sleep", "0.2"], name="py-short")
    short.start()
    codes = []

    def waits():
        codes.append(short.wait(condition="removed")["StatusCode"])

    thread = threading.Thread(target=waits)
    thread.start()
    time.sleep(0.3)
    short.remove(force=True)
    thread.join(20)
    assert codes, "the wait hangs"

with check("events tell what happened"):
    since = time.time()
    client.containers.run(IMAGE, ["true"], remove=True, name="py-event")
    until_then = time.time() + 1
    seen = [
        event["Action"]
        for event in client.events(
            since=since, until=until_then, decode=True,
            filters={"container": "py-event"},
        )
    ]
    for action in ["create", "start", "die", "destroy"]:
        assert action in seen, seen

with check("health is watched"):
    sick = client.containers.run(
        IMAGE, SLEEP, detach=True, name="py-health",
        healthcheck={
            "test": ["CMD-SHELL", "test -e /tmp/well"],
            "interval": 200_000_000, "retries": 1, "timeout": 5_000_000_000,
        },
    )

    def health():
        sick.reload()
        return sick.attrs["State"]["Health"]["Status"]

    until(lambda: health() == "unhealthy")
    sick.exec_run("touch /tmp/well")
    until(lambda: health() == "healthy")
    sick.remove(force=True)

with check("volumes keep what is written"):
    volume = client.volumes.create("py-data")
    client.containers.run(
        IMAGE, ["sh", "-c", "echo kept >/data/file"], remove=True,
        volumes={"py-data": {"bind": "/data", "mode": "rw"}},
    )
    out = client.containers.run(
        IMAGE, ["cat", "/data/file"], remove=True,
        mounts=[docker.types.Mount("/data", "py-data", read_only=True)],
    )
    assert out == b"kept\n", out
    volume.remove()
    try:
        client.volumes.get("py-data")
        raise AssertionError("it is still there")
    except NotFound:
        pass

with check("restart policies"):
    again = client.containers.run(
        IMAGE, ["sh", "-c", "exit 1"], detach=True, name="py-again",
        restart_policy={"Name": "on-failure", "MaximumRetryCount": 2},
    )

    def restarts():
        again.reload()
        return again.attrs["RestartCount"]

    until(lambda: restarts() == 2 and again.status == "exited")
    again.remove()

with check("remove and prune"):
    web.remove(force=True)
    try:
        client.containers.get("py-web")
        raise AssertionError("it is still there")
    except NotFound:
        pass
    left = client.containers.create(IMAGE, ["true"], labels={"old": "yes"})
    pruned = client.containers.prune(filters={"label": "old=yes"})
    assert pruned["ContainersDeleted"] == [left.id], pruned

finish()
