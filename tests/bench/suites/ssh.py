"""`true` as a script job on 100 loopback hosts, through the whole product; beside it plain OpenSSH clients."""

import resource
import subprocess
import time
import uuid
from contextlib import ExitStack
from concurrent.futures import ThreadPoolExecutor

from foreman import Foreman
from programs import SmartProxy
from sshd import Sshd

from .measure import cpu_seconds

HOSTS = 100
ADDRESSES_OF_A_SERVER = 16  # sshd listens on no more


def peer(hosts, key, folder):
    """One OpenSSH client a host, 16 at a time. Client CPU is what the children used."""
    def one(host):
        address, port, _ = host
        return subprocess.run(["ssh", "-i", key, "-p", str(port), "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
                               "-o", "StrictHostKeyChecking=accept-new", "-o", "IdentitiesOnly=yes",
                               "-o", f"UserKnownHostsFile={folder}/known_hosts", address, "true"],
                              check=False).returncode
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        failed = sum(code != 0 for code in pool.map(one, hosts))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, failed


def ours(proxy, foreman, hosts):
    tasks = {str(uuid.uuid4()): {
        "action_class": "Proxy::RemoteExecution::Ssh::Actions::RunScript",
        "action_input": {"ssh_user": user, "ssh_port": port, "hostname": address, "script": "true",
                         "effective_user": None, "effective_user_method": "sudo", "cleanup_working_dirs": True,
                         "secrets": {"ssh_password": None, "key_passphrase": None, "effective_user_password": None},
                         "first_execution": True, "callback": {"task_id": str(uuid.uuid4()), "step_id": 3}}}
        for address, port, user in hosts}
    foreman.clear()
    before = cpu_seconds(proxy.process.pid)
    began = time.monotonic()
    answer = proxy.http.post("/dynflow/tasks/launch", {"operation": "ssh", "input": tasks, "options": {}})
    if answer.status != 200:
        raise RuntimeError(f"launch: {answer.status} {answer.text[:400]}")
    callbacks = foreman.wait_for(len(tasks), timeout=300)
    took = time.monotonic() - began
    failed = sum(callback.data.get("exit_status") != 0 for callback in callbacks)
    return took, cpu_seconds(proxy.process.pid) - before, failed


def serve(stack, folder):
    """As many sshd as the hosts need; (address, port, user) of each host, and the key that opens them all."""
    hosts = []
    key = None
    for first in range(1, HOSTS + 1, ADDRESSES_OF_A_SERVER):
        addresses = [f"127.0.1.{number}" for number in range(first, min(first + ADDRESSES_OF_A_SERVER, HOSTS + 1))]
        sshd = Sshd(folder / f"sshd-{first}", addresses=addresses)
        if key is None:
            key = sshd.add_client_key("bench")
        else:
            sshd.authorize(key)
        stack.enter_context(sshd)
        hosts += [(address, sshd.port, sshd.user) for address in addresses]
    return hosts, key


def run(folder, rounds):
    rows = []
    with Foreman() as foreman, ExitStack() as stack:
        hosts, key = serve(stack, folder)
        with SmartProxy(folder / "proxy", foreman.url, ssh_key=key, external_core=False,
                        settings={"log_level": "ERROR"}, environment={"HOME": str(folder)}) as proxy:
            seen = {"smart-proxy: whole job (upload, run, clean up)": [], "OpenSSH client: one command": []}
            for _ in range(rounds):
                seen["smart-proxy: whole job (upload, run, clean up)"].append(ours(proxy, foreman, hosts))
                seen["OpenSSH client: one command"].append(peer(hosts, key, folder))
            for name, runs in seen.items():
                runs.sort(key=lambda r: r[1])
                took, cpu, _ = runs[len(runs) // 2]
                rows.append([name, HOSTS, f"{cpu / HOSTS * 1000:.1f}", f"{took:.2f}", sum(r[2] for r in runs)])
    yield {"title": "true on 100 loopback hosts over SSH",
           "columns": ["what", "hosts", "client CPU ms/host", "wall s", "failed"], "rows": rows}
