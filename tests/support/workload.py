"""Many tasks of several kinds for a core that is killed again and again, and the rules that hold for each of them afterwards.

What was acknowledged is remembered here, in the test's own process; what ran is in a file that the actions sync line by line; what
was reported is at the stand-in Foreman. check() compares the three with what the core says."""

import collections
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from network import wait_until

RESTING = ("stopped", "paused")
AT_ONCE = 500  # documents asked for in one request


@dataclass
class Task:
    plan: str
    kind: str
    entry: dict
    acknowledged: bool = False
    sent: list = field(default_factory=list)     # tokens, acknowledged or not, in order
    taken: list = field(default_factory=list)    # tokens that were acknowledged
    ends: dict = field(default_factory=dict)     # exit codes by the token that brings them, acknowledged or not
    end_was_tried: bool = False
    cancelled: bool = False                      # acknowledged, and a step was told

    @property
    def foreman_id(self):
        return self.entry["action_input"]["callback"]["task_id"]


class Workload:
    """`post(path, document)` and `get(path)` reach the core's routes; OSError is a core that is gone. `sshd`: for script tasks over
    SSH. Threads: one calls launch(), one disturb(); check() when both have ended."""

    def __init__(self, client, prefix, folder, chance, sshd=None):
        self.client = client
        self.prefix = prefix
        self.evidence = Path(folder, "ran")
        self.marker = Path(folder, "scripts")
        self.chance = chance
        self.sshd = sshd
        self.tasks = {}
        self.parents = set()
        self.refused = []
        self._lock = threading.Lock()
        self._last = None  # a batch whose answer never came

    # Doing.

    def _post(self, path, document):
        return self.client.post(f"{self.prefix}{path}", document)

    def make(self, kind):
        plan = str(uuid.uuid4())
        more = {"callback": {"task_id": str(uuid.uuid4()), "step_id": 3}}
        name = {"noop": "PeerOps::Noop", "record": "PeerOps::Record", "fail": "PeerOps::RecordOrFail",
                "collect": "PeerOps::Collect", "script": "PeerOps::LocalScript", "sleeper": "PeerOps::LocalScript",
                "ssh": "Proxy::RemoteExecution::Ssh::Actions::RunScript"}[kind]
        if kind in ("record", "fail"):
            more.update(file=str(self.evidence), before=2)
        elif kind == "script":
            more["script"] = f"echo {plan} >> {self.marker}; echo out; sleep 0.0{self.chance.randrange(10)}; echo more"
        elif kind == "sleeper":
            more["script"] = "echo asleep; exec sleep 30"
        elif kind == "ssh":
            more.update(ssh_user=self.sshd.user, ssh_port=self.sshd.port, hostname=self.sshd.address, effective_user=None,
                        script=f"echo {plan} >> {self.marker}; echo out", secrets={})
        return Task(plan, kind, {"action_class": name, "action_input": more})

    def launch(self, kinds):
        """One batch. Its tasks count as launched, and when the answer came as acknowledged. False when the core is gone."""
        with self._lock:
            repeated = self._last is not None
            tasks = self._last if repeated else [self.make(kind) for kind in kinds]
            self._last = tasks
            self.tasks.update((task.plan, task) for task in tasks)
        document = {"operation": "batch", "input": {task.plan: task.entry for task in tasks}, "options": {}}
        try:
            answer = self._post("/tasks/launch", document)
        except OSError:
            return False
        with self._lock:
            self._last = None
            if answer.status != 200:
                self.refused.append(f"launch ({'again' if repeated else 'first'}): {answer.status} {answer.text[:300]}")
                return True
            for plan, result in answer.json().items():
                if plan == "parent":
                    self.parents.add(result["task_id"])
                elif result["result"] == "success":
                    self.tasks[plan].acknowledged = True
                else:
                    self.refused.append(f"launch: {plan}: {result}")
        return True

    def _acknowledged(self, kind):
        with self._lock:
            return [task for task in self.tasks.values() if task.kind == kind and task.acknowledged
                    and not task.cancelled and not task.end_was_tried]

    def _tell(self, task, document, route="update"):
        answer = self._post(f"/tasks/{task.plan}/{route}", {"step_id": 2, **document})
        if answer.status != 200:
            self.refused.append(f"{route}: {answer.status} {answer.text[:300]}")
        return answer.status == 200

    def disturb(self):
        """An update, an end, or a cancel for some waiting task. False when the core is gone."""
        waiting = self._acknowledged("collect") + self._acknowledged("sleeper")
        if not waiting:
            return True
        task = self.chance.choice(waiting)
        try:
            if task.kind == "sleeper" or self.chance.random() < 0.15:
                self.cancel(task)
            elif self.chance.random() < 0.25:
                self.end(task, self.chance.randrange(3))
            else:
                token = str(uuid.uuid4())
                task.sent.append(token)
                if self._tell(task, {"token": token}):
                    task.taken.append(token)
        except OSError:
            return False
        return True

    def end(self, task, code):
        token = str(uuid.uuid4())
        task.sent.append(token)
        task.end_was_tried = True
        task.ends[token] = code
        if self._tell(task, {"token": token, "exit_code": code}, "done"):
            task.taken.append(token)

    def cancel(self, task):
        task.end_was_tried = True
        answer = self._post(f"/tasks/{task.plan}/cancel", None)
        if answer.status != 200:
            self.refused.append(f"cancel: {answer.status} {answer.text[:300]}")
        task.cancelled = answer.status == 200 and answer.json()["canceled_steps_count"] > 0

    # Judging.

    def documents(self):
        """Status documents of all tasks that are known, by plan."""
        known = {}
        plans = [*self.tasks, *self.parents]
        for first in range(0, len(plans), AT_ONCE):
            answer = self._post("/tasks/statuses", {"task_ids": plans[first:first + AT_ONCE]})
            if answer.status != 200:
                raise RuntimeError(f"statuses: {answer.status} {answer.text[:300]}")
            known.update(answer.json())
        return known

    def _unsettled(self):
        plans = [*self.tasks, *self.parents]
        found = {}
        for first in range(0, len(plans), AT_ONCE * 10):
            found.update(self._post("/tasks/status", {"task_ids": plans[first:first + AT_ONCE * 10]}).json())
        return {plan: state for plan, state in found.items() if state["state"] not in RESTING}

    def settle(self, timeout=120.0):
        """Launches again what was never answered, ends what waits, and lets everything come to rest."""
        while self._last is not None and self.launch([]):
            pass
        def ended():
            unsettled = self._unsettled()
            for plan in unsettled:
                task = self.tasks.get(plan)
                if task is None or task.kind not in ("collect", "sleeper"):
                    continue
                self.cancel(task) if task.kind == "sleeper" else self.end(task, 0)
            return not unsettled
        try:
            wait_until(ended, "all tasks to come to rest", timeout, 0.2)
        except TimeoutError as error:
            left = self._unsettled()
            kinds = collections.Counter(self.tasks[plan].kind if plan in self.tasks else "parent" for plan in left)
            raise TimeoutError(f"{len(left)} tasks did not come to rest: {dict(kinds)}, such as {list(left.items())[:3]}") from error

    def ran(self):
        """How often each (plan, step) ran, by its own evidence."""
        lines = self.evidence.read_text(encoding="utf-8").split("\n") if self.evidence.exists() else []
        return collections.Counter(tuple(line.split()) for line in lines if line)

    def check(self, foreman, timeout=60.0):
        """Texts of everything that is wrong, empty when nothing is."""
        wrong = [f"refused: {text}" for text in self.refused]
        documents = self.documents()
        ran = self.ran()
        wrong += [f"step ran {times} times: {step}" for step, times in ran.items() if times > 1]
        if self.marker.exists():
            lines = collections.Counter(self.marker.read_text(encoding="utf-8").split())
            wrong += [f"script ran {times} times: {plan}" for plan, times in lines.items() if times > 1]
        for task in self.tasks.values():
            document = documents.get(task.plan)
            if document is None:
                if task.acknowledged:
                    wrong.append(f"{task.kind} {task.plan} was acknowledged and is unknown")
                continue
            wrong += [f"{task.kind} {task.plan}: {text}" for text in self._check_one(task, document, ran)]
        wrong += [f"parent {plan} is unknown" for plan in self.parents if plan not in documents]
        return wrong + self._check_callbacks(documents, foreman, timeout)

    def _check_callbacks(self, documents, foreman, timeout):
        owed = {task.foreman_id: task for task in self.tasks.values() if task.plan in documents}

        def missing():
            return owed.keys() - {callback.task_id for callback in foreman.callbacks()}
        wrong = []
        try:
            wait_until(lambda: not missing(), "callbacks", timeout, 0.1)
        except TimeoutError:
            wrong = [f"{owed[i].kind} {owed[i].plan}: no callback arrived" for i in missing()]
        for callback in foreman.callbacks():
            task = owed.get(callback.task_id)
            if task is None:
                wrong.append(f"a callback for {callback.task_id}, which nobody launched")
                continue
            succeeded = documents[task.plan]["result"] == "success"
            status = callback.data.get("exit_status")
            if status is None or (status == "EXCEPTION" and succeeded) or (task.kind != "collect" and (status == 0) != succeeded):
                wrong.append(f"{task.kind} {task.plan}: success is {succeeded}, and Foreman heard {callback.data}")
        return wrong

    def _check_one(self, task, document, ran):
        state, result = document["state"], document["result"]
        action = next((a for a in document["actions"] if "exit_status" in (a["output"] or {})), None)
        output = action["output"] if action else {}
        if state not in RESTING:
            return [f"is {state}/{result}"]
        if task.kind == "noop":
            return [] if (state, result) == ("stopped", "success") else [f"is {state}/{result}"]
        if task.kind in ("record", "fail"):
            resting = {"record": "paused", "fail": "stopped"}[task.kind]
            if (state, result) not in (("stopped", "success"), (resting, "error")):
                return [f"is {state}/{result}"]
            steps = [a["run_step_id"] for a in document["actions"] if a["class"].startswith("PeerOps::Record")]
            never = [step for step in steps if (task.plan, str(step)) not in ran]
            return [f"success, and steps {never} never ran"] if result == "success" and never else []
        if task.kind == "collect":
            return self._check_collect(task, document, output)
        if task.kind == "sleeper":
            return [] if (state, result) == ("stopped", "error") else [f"is {state}/{result} after a cancel"]
        return [] if (state, result) in (("stopped", "success"), ("stopped", "error")) else [f"is {state}/{result}"]

    @staticmethod
    def _check_collect(task, document, output):
        state, result = document["state"], document["result"]
        tokens = next(a["output"] for a in document["actions"] if a["class"] == "PeerOps::Collect").get("tokens", [])
        wrong = []
        if len(tokens) != len(set(tokens)):
            wrong.append(f"an event was handled twice: {tokens}")
        if [token for token in task.sent if token in tokens] != tokens:
            wrong.append(f"events came in another order, or from nowhere: {tokens} of {task.sent}")
        if (state, result) == ("paused", "error"):
            return wrong  # cut off by a crash while it ran
        if (state, result) != ("stopped", "success"):
            return [*wrong, f"is {state}/{result}"]
        last = tokens[-1] if tokens else None
        status = output.get("exit_status")
        if last in task.ends and status == task.ends[last]:
            # What was sent later came too late, as the answers to hosts say nothing about that.
            before = task.sent[:task.sent.index(last)]
            lost = [token for token in before if token in task.taken and token not in tokens]
            return [*wrong, f"{len(lost)} acknowledged events had no effect"] if lost else wrong
        if status == "CANCELLED" and task.end_was_tried:
            return wrong
        return [*wrong, f"ended with {status}, which nobody sent"]
