"""`true` as a script job on 100 loopback hosts, through the whole product; beside it plain OpenSSH clients."""

import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from foreman import Foreman
from programs import SmartProxy
from sshd import Sshd

from .measure import cpu_seconds

HOSTS = 100


def peer(sshd, key, folder):
    """One OpenSSH client a host, 16 at a time. Client CPU is what the children used."""
    def one(address):
        return subprocess.run(["ssh", "-i", key, "-p", str(sshd.port), "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
                               "-o", "StrictHostKeyChecking=accept-new", "-o", "IdentitiesOnly=yes",
                               "-o", f"UserKnownHostsFile={folder}/known_hosts", address, "true"],
                              check=False).returncode
    import resource
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        failed = sum(code != 0 for code in pool.map(one, sshd.addresses))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, failed


def ours(proxy, foreman, sshd):
    tasks = {str(uuid.uuid4()): {
        "action_class": "Proxy::RemoteExecution::Ssh::Actions::RunScript",
        "action_input": {"ssh_user": sshd.user, "ssh_port": sshd.port, "hostname": address, "script": "true",
                         "effective_user": None, "effective_user_method": "sudo", "cleanup_working_dirs": True,
                         "secrets": {"ssh_password": None, "key_passphrase": None, "effective_user_password": None},
                         "first_execution": True, "callback": {"task_id": str(uuid.uuid4()), "step_id": 3}}}
        for address in sshd.addresses}
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


def run(folder, rounds):
    addresses = [f"127.0.1.{number}" for number in range(1, HOSTS + 1)]
    rows = []
    with Foreman() as foreman, Sshd(folder / "sshd", addresses=addresses) as sshd:
        key = sshd.add_client_key("bench")
        with SmartProxy(folder / "proxy", foreman.url, ssh_key=key, external_core=False,
                        settings={"log_level": "ERROR"}, environment={"HOME": str(folder)}) as proxy:
            seen = {"smart-proxy: whole job (upload, run, clean up)": [], "OpenSSH client: one command": []}
            for _ in range(rounds):
                seen["smart-proxy: whole job (upload, run, clean up)"].append(ours(proxy, foreman, sshd))
                seen["OpenSSH client: one command"].append(peer(sshd, key, folder))
            for name, runs in seen.items():
                runs.sort(key=lambda r: r[1])
                took, cpu, _ = runs[len(runs) // 2]
                rows.append([name, HOSTS, f"{cpu / HOSTS * 1000:.1f}", f"{took:.2f}", sum(r[2] for r in runs)])
    yield {"title": "true on 100 loopback hosts over SSH",
           "columns": ["what", "hosts", "client CPU ms/host", "wall s", "failed"], "rows": rows}
