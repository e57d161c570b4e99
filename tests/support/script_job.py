"""A job that runs a script on a host over SSH, launched as Foreman does it."""

import uuid

SCRIPT_CLASS = "Proxy::RemoteExecution::Ssh::Actions::RunScript"


class Job:
    """One host's script, as Foreman sends it."""

    def __init__(self, sshd, script):
        self.plan_id = str(uuid.uuid4())
        self.task_id = str(uuid.uuid4())
        self.entry = {"action_class": SCRIPT_CLASS, "action_input": {
            "hostname": sshd.address, "ssh_port": sshd.port, "ssh_user": sshd.user, "effective_user": sshd.user,
            "effective_user_method": "sudo", "script": script, "execution_timeout_interval": None, "first_execution": True,
            "cleanup_working_dirs": True, "proxy_operation_name": "ssh",
            "secrets": {"ssh_password": None, "key_passphrase": None, "effective_user_password": None},
            "callback": {"task_id": self.task_id, "step_id": 3}}}

    def launch(self, client):
        answer = client.post("/dynflow/tasks/launch", {"operation": "ssh", "input": {self.plan_id: self.entry}, "options": {}})
        assert answer.status == 200, answer.text
        assert answer.json()[self.plan_id] == {"result": "success", "task_id": self.plan_id}, answer.text
        return self

    def output(self, document):
        for action in document["actions"]:
            if (action.get("input") or {}).get("task_id") == self.task_id:
                return action.get("output") or {}
        return {}

    def output_now(self, client):
        answer = client.get(f"/dynflow/tasks/{self.plan_id}/status")
        return self.output(answer.json()) if answer.status == 200 else {}


def text_of(output):
    return "".join(chunk["output"] for chunk in output.get("result") or [])
