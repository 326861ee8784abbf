"""The servers under test. Each knows its command line, and how to tell its port.

All of them run `threads` event loops, pinned to `cpus`.
"""

import contextlib
import os
import socket
import tempfile

from harness import process
from harness.process import PATIENCE_SECONDS, start_pinned, stopping, wait_until

MEMORY_MB = 64


class Server:
    """A server that runs. `pid` is the process that does the work.

    `log` is a file with its output, while it runs.
    """

    def __init__(self, pid, host_port, log):
        self.pid = pid
        self.host_port = host_port
        self.log = log


class Kind:
    """A server that can be started. `protocol` is what the load must speak.

    `runs_under_valgrind` is what it says.
    """

    def __init__(self, name, protocol, runs_under_valgrind=True):
        self.name = name
        self.protocol = protocol
        self.runs_under_valgrind = runs_under_valgrind

    def start(self, threads, cpus, wrapper=()):
        """Starts it under the command `wrapper`; a context with the Server."""
        raise NotImplementedError


class Announced(Kind):
    """A program that prints "listening on HOST:PORT", as all of ours do."""

    def __init__(self, name, protocol, program, flags, runs_under_valgrind=True):
        super().__init__(name, protocol, runs_under_valgrind)
        self.program = program
        self.flags = flags

    @contextlib.contextmanager
    def start(self, threads, cpus, wrapper=()):
        command = [*wrapper, self.program, "--listen=127.0.0.1:0"]
        command += self.flags(threads, cpus)
        with process.output_file() as log:
            started = start_pinned(command, cpus, stdout=log, stderr=log)
            with stopping(started):
                host_port = wait_until(
                    lambda: _listening_on(process.read_text(log.name)),
                    started,
                    log.name,
                )
                yield Server(started.pid, host_port, log.name)


def percore_echo(bin_folder, name="Percore", backend="epoll", flags=()):
    return Announced(
        name,
        "echo",
        os.path.join(bin_folder, "examples", "echo_server"),
        lambda threads, cpus: [
            *percore_flags(threads, cpus),
            "--backend=" + backend,
            *flags,
        ],
        # See the limit of io_uring below.
        runs_under_valgrind=backend != "io_uring",
    )


def percore_udp_echo(bin_folder, name="Percore", backend="epoll", flags=()):
    return Announced(
        name,
        "udp_echo",
        os.path.join(bin_folder, "examples", "udp_echo"),
        lambda threads, cpus: [
            *percore_flags(threads, cpus),
            "--backend=" + backend,
            *flags,
        ],
        runs_under_valgrind=backend != "io_uring",
    )


def percore_cache(bin_folder, name="Percore", flags=()):
    return Announced(
        name,
        "memcached",
        os.path.join(bin_folder, "examples", "cache_server"),
        lambda threads, cpus: [
            *percore_flags(threads, cpus),
            "--memory_mb=%d" % MEMORY_MB,
            *flags,
        ],
    )


def percore_flags(threads, cpus):
    pinned = ",".join(map(str, cpus[:threads]))
    return ["--shards=%d" % threads, "--cpus=" + pinned]


def libevent_echo(bin_folder, name, mode):
    path = os.path.join(bin_folder, "bench", "peers", "libevent_echo")
    return Announced(name, "echo", path, lambda *_: ["--mode=" + mode])


def echo_peers(bin_folder):
    """Single-threaded echo servers, from bench/peers and bench/limits."""

    def peer(name, folder, program, mode, **options):
        path = os.path.join(bin_folder, "bench", folder, program)
        return Announced(
            name, "echo", path, lambda *_: ["--mode=" + mode], **options
        )

    return [
        libevent_echo(bin_folder, "libevent events", "events"),
        libevent_echo(bin_folder, "libevent bufferevents", "bufferevents"),
        peer("libuv queued", "peers", "libuv_echo", "queued"),
        peer("libuv try_write", "peers", "libuv_echo", "try_write"),
        peer("Asio", "peers", "asio_echo", "callbacks"),
        peer("limit: epoll level", "limits", "epoll_echo", "level"),
        peer("limit: epoll edge", "limits", "epoll_echo", "edge"),
        # valgrind 3.19 loses signals while it waits in io_uring_enter().
        peer(
            "limit: io_uring",
            "limits",
            "io_uring_echo",
            "multishot",
            runs_under_valgrind=False,
        ),
    ]


def udp_echo_peers(bin_folder):
    """Single-threaded UDP echo servers, from bench/peers and bench/limits."""

    def peer(name, folder, program, mode):
        path = os.path.join(bin_folder, "bench", folder, program)
        return Announced(name, "udp_echo", path, lambda *_: ["--mode=" + mode])

    return [
        peer("libuv queued", "peers", "libuv_udp_echo", "queued"),
        peer("libuv recvmmsg", "peers", "libuv_udp_echo", "recvmmsg"),
        peer("limit: epoll", "limits", "recvmmsg_echo", "epoll"),
        peer("limit: blocking", "limits", "recvmmsg_echo", "blocking"),
        peer("limit: offload", "limits", "recvmmsg_echo", "offload"),
    ]


class Memcached(Kind):
    """Debian's memcached, with its defaults but for threads and memory."""

    def __init__(self, name="memcached"):
        # It asks for more descriptors than valgrind gives.
        super().__init__(name, "memcached", runs_under_valgrind=False)

    @contextlib.contextmanager
    def start(self, threads, cpus, wrapper=()):
        command = [
            *wrapper,
            "memcached",
            "--user=root",  # Which root must say, and nobody else minds.
            "--listen=127.0.0.1",
            "--port=-1",
            "--udp-port=0",
            "--threads=%d" % threads,
            "--memory-limit=%d" % MEMORY_MB,
            "--conn-limit=16000",
        ]
        with process.output_file() as log, tempfile.TemporaryDirectory() as folder:
            port_file = os.path.join(folder, "port")
            started = start_pinned(
                command,
                cpus,
                env={**os.environ, "MEMCACHED_PORT_FILENAME": port_file},
                stdout=log,
                stderr=log,
            )
            with stopping(started):
                # It renames the file into place: complete once it exists.
                wait_until(lambda: os.path.exists(port_file), started, log.name)
                with open(port_file) as lines:
                    port = lines.readline().split(":")[1].strip()
                yield Server(started.pid, "127.0.0.1:" + port, log.name)


NGINX_CONFIG = """
daemon off;
worker_processes {threads};
pid {folder}/pid;
error_log stderr crit;
worker_rlimit_nofile {descriptors};
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  tcp_nodelay on;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ return 200 "{body}"; }}
  }}
}}
"""


class Nginx(Kind):
    """Debian's nginx with a fixed answer of 64 bytes and no access log.

    It is asked for its port, so one is looked for that is free.
    """

    PROGRAM = "/usr/sbin/nginx"

    def __init__(self, name="nginx"):
        super().__init__(name, "http")

    @contextlib.contextmanager
    def start(self, threads, cpus, wrapper=()):
        port = _free_port()
        with process.output_file() as log, tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)  # For its workers, which are nobody.
            config = os.path.join(folder, "nginx.conf")
            with open(config, "w") as output:
                output.write(
                    NGINX_CONFIG.format(
                        threads=threads,
                        folder=folder,
                        port=port,
                        body="x" * 64,
                        connections=16000,
                        descriptors=18000,
                    )
                )
            command = [*wrapper, self.PROGRAM, "-c", config, "-p", folder]
            started = start_pinned(command, cpus, stdout=log, stderr=log)
            with stopping(started):
                # Its one child is the worker; a wrapper stays the same process.
                worker = wait_until(
                    lambda: _first(process.children_of(started.pid)), started, log.name
                )
                wait_until(lambda: _accepts(port), started, log.name)
                yield Server(worker, "127.0.0.1:%d" % port, log.name)


def _listening_on(text):
    for line in text.splitlines(keepends=True):
        words = line.split()
        if words[:2] == ["listening", "on"] and line.endswith("\n"):
            return words[2]
    return None


def _first(items):
    return items[0] if items else None


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS).close()
        return True
    except ConnectionRefusedError:
        return False
