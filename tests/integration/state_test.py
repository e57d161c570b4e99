"""`dynflow-migrate state`: Ruby databases of both eras and ours, into SQLite and PostgreSQL, and what is refused."""

import hashlib
import json
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
import unittest
import uuid
from pathlib import Path

from foreman import Foreman
from network import wait_until
from postgres import Postgres, program
from programs import SmartProxy, binary, wait_for_task
from ruby_database import FIRST_CHUNKS, RubyDatabase, Timestamp, recorded, to_postgres

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
NAMES = ("tree-success", "paused-error", "parent", "child", "skipped-warning")
CHANGED, FINE, WARNINGS, ERROR, JOBS_RUN = 3, 0, 1, 2, 4
SCRIPT = "5f1c3a3e-6f2d-4c1b-9d43-0d6d1f6d4a10"


def as_array(flow):
    """A flow of before 1.5 in today's form."""
    if isinstance(flow, dict):
        if flow["class"].endswith("Atom"):
            return flow["step_id"]
        return ["S" if flow["class"].endswith("Sequence") else "C", *[as_array(part) for part in flow["flows"]]]
    return flow


def running_script(with_time):
    """A script job under its old class names, with a secret, that ran when the proxy was stopped."""
    action = {"execution_plan_id": SCRIPT, "caller_execution_plan_id": None, "finalize_step_id": None}
    status = {"id": SCRIPT, "class": "Dynflow::ExecutionPlan", "label": "ForemanRemoteExecutionCore::Actions::RunScript",
              "state": "running", "result": "pending", "root_plan_step_id": 1, "run_flow": ["S", 2, 4], "finalize_flow": ["S"],
              "step_ids": [1, 2, 3, 4], "started_at": "2026-11-22 06:53:35.410", "ended_at": None, "execution_time": 0.0,
              "real_time": 0.0, "execution_history": [{"time": 1795330415, "name": "start execution", "world_id": "w"}],
              "actions": [
                  {**action, "class": "ForemanRemoteExecutionCore::Actions::RunScript", "id": 1, "plan_step_id": 1,
                   "run_step_id": 2, "caller_action_id": None,
                   "input": {"hostname": "h1.example.com", "script": "sleep 100", "ssh_password": "geheim",
                             "task_id": SCRIPT, "since": Timestamp(1700000000) if with_time else "x"},
                   "output": {"runner_id": "b4ee8c37-7d1f-4c3e-8f67-7e1f6a1c2a10"}},
                  {**action, "class": "SmartProxyDynflowCore::Callback::Action", "id": 2, "plan_step_id": 3, "run_step_id": 4,
                   "caller_action_id": 1,
                   "input": {"callback": {"task_id": "f1", "step_id": 3},
                             "data": {"class": "Dynflow::ExecutionPlan::OutputReference", "execution_plan_id": SCRIPT,
                                      "step_id": 2, "action_id": 1, "subkeys": []}}, "output": None}]}
    step = {"error": None, "started_at": "2026-11-22 06:53:35 UTC", "ended_at": "2026-11-22 06:53:35 UTC", "real_time": 0.1,
            "execution_time": 0.1, "progress_done": 1, "progress_weight": 1.0}
    kind = "Dynflow::ExecutionPlan::Steps::"
    runs = {"queue": "default", "class": kind + "RunStep", "ended_at": None, "progress_done": 0}
    steps = [
        {**step, "id": 1, "action_id": 1, "state": "success", "class": kind + "PlanStep", "queue": None, "children": [3],
         "action_class": "ForemanRemoteExecutionCore::Actions::RunScript"},
        {**step, **runs, "id": 2, "action_id": 1, "state": "suspended",
         "action_class": "ForemanRemoteExecutionCore::Actions::RunScript"},
        {**step, "id": 3, "action_id": 2, "state": "success", "class": kind + "PlanStep", "queue": None, "children": [],
         "action_class": "SmartProxyDynflowCore::Callback::Action"},
        {**step, **runs, "id": 4, "action_id": 2, "state": "pending", "started_at": None,
         "action_class": "SmartProxyDynflowCore::Callback::Action"},
    ]
    return status, steps


class StateTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.ruby = self.folder / "ruby.sqlite"
        self.target = self.folder / "target.sqlite"

    def state(self, *arguments, expect=None):
        run = subprocess.run([str(binary("dynflow-migrate")), "state", *map(str, arguments), "--json"], capture_output=True,
                             text=True, timeout=120, check=False)
        if expect is not None:
            self.assertEqual(run.returncode, expect, run.stdout + run.stderr)
        self.assertTrue(run.stdout, run.stderr)
        return json.loads(run.stdout)

    def make(self, release, schema):
        database = RubyDatabase(self.ruby, schema)
        for name in NAMES:
            database.add_plan(*recorded(release, name))
        return database

    def move_and_look(self, release, schema, kind):
        database = self.make(release, schema)
        chunks = [(1, None, "2026-11-22 06:53:36.000001",
                   [{"output_type": "stdout", "output": "hello\n", "timestamp": 1795330416.5}])] if schema >= FIRST_CHUNKS else []
        database.add_plan(*running_script(schema >= 22), chunks)
        database.add_world("dead", "elsewhere.example.com", 1, "2020-01-01 00:00:00.000")
        database.close()
        before = hashlib.sha256(self.ruby.read_bytes()).digest()

        seen = self.state("inspect", "--from", self.ruby, expect=FINE)
        self.assertEqual(seen["kind"], kind)
        self.assertEqual([seen["plans"], seen["with_secrets"], seen["refused"]], [6, 1, []])
        self.assertEqual(seen["states"]["running"], 1)
        planned = self.state("import", "--from", self.ruby, "--to", self.target, "--noop", expect=FINE)
        self.assertEqual([planned["would_move"], self.target.exists()], [6, False])
        moved = self.state("import", "--from", self.ruby, "--to", self.target, expect=CHANGED)
        self.assertEqual([moved["moved"], moved["already_there"]], [6, 0])
        again = self.state("import", "--from", self.ruby, "--to", self.target, expect=FINE)
        self.assertEqual([again["moved"], again["already_there"]], [0, 6])
        self.assertEqual(hashlib.sha256(self.ruby.read_bytes()).digest(), before, "the source is as it was")
        self.assertEqual(sorted(path.name for path in self.folder.glob("ruby.sqlite*")), ["ruby.sqlite"])
        self.assertNotIn(b"geheim", self.target.read_bytes())

        with Foreman() as foreman, self.simulating_proxy(foreman) as proxy:
            for name in NAMES:
                self.compare(proxy, recorded(release, name)[0])
            self.check_script(proxy, foreman, has_output=bool(chunks), has_time=schema >= 22)

    def compare(self, proxy, wanted):
        shown = proxy.http.get(f"/dynflow/tasks/{wanted['id']}/status").json()
        for key in ("run_flow", "finalize_flow"):
            wanted[key] = as_array(wanted[key])
        self.assertEqual(shown, wanted)

    def check_script(self, proxy, foreman, has_output, has_time):
        document = wait_for_task(proxy.http, SCRIPT)
        action = document["actions"][0]
        self.assertEqual(action["class"], "Proxy::RemoteExecution::Ssh::Actions::RunScript")
        self.assertEqual(document["actions"][1]["class"], "Proxy::Dynflow::Callback::Action")
        self.assertEqual(action["input"]["ssh_password"], "[FILTERED]")
        if has_time:
            self.assertEqual(action["input"]["since"], "2023-11-14 22:13:20 +0000")
        self.assertEqual(action["output"]["exit_status"], "EXCEPTION", "nobody knows how the job ended")
        if has_output:
            self.assertEqual(action["output"]["result"][0]["output"], "hello\n")
        callback = foreman.wait_for(1, timeout=60)[0]
        self.assertEqual([callback.task_id, callback.data["exit_status"]], ["f1", "EXCEPTION"])

    def test_json_era(self):
        self.move_and_look("1.4.8", 19, "Ruby dynflow, schema 19, JSON text")

    def test_between_the_eras(self):
        """Output chunks were the last to become MessagePack."""
        database = RubyDatabase(self.ruby, 23)
        database.add_plan(*running_script(True), [(1, "stderr", "2026-11-22 06:53:36.000001", "hello\n")])
        database.close()
        self.state("import", "--from", self.ruby, "--to", self.target, expect=CHANGED)
        with sqlite3.connect(self.target) as stored:
            self.assertEqual(stored.execute("SELECT output_type, output FROM chunks").fetchall(), [("stderr", "hello\n")])

    def test_messagepack_era(self):
        self.move_and_look("2.0.0", 25, "Ruby dynflow, schema 25, MessagePack")

    def test_a_whole_object_in_data_wins(self):
        database = self.make("2.0.0", 24)
        plan = recorded("2.0.0", "child")[0]["id"]
        database.execute("UPDATE dynflow_execution_plans SET label = 'Wrong', data = ? WHERE uuid = ?",
                         database.cell({"label": "FromData", "state": "stopped"}), plan)
        database.close()
        self.assertEqual(self.state("import", "--from", self.ruby, "--to", self.target)["moved"], 5)
        with sqlite3.connect(self.target) as stored:
            self.assertEqual(stored.execute("SELECT label FROM plans WHERE id = ?", (plan,)).fetchone(), ("FromData",))

    def test_corrupt_plans_are_named_and_left_out_only_when_told(self):
        database = self.make("2.0.0", 25)
        tree, paused = recorded("2.0.0", "tree-success")[0]["id"], recorded("2.0.0", "paused-error")[0]["id"]
        database.execute("UPDATE dynflow_actions SET input = x'c1ff' WHERE execution_plan_uuid = ? AND id = 2", tree)
        database.execute("DELETE FROM dynflow_steps WHERE execution_plan_uuid = ? AND id = 2", paused)
        database.close()
        refused = self.state("import", "--from", self.ruby, "--to", self.target, expect=ERROR)
        reasons = {plan["id"]: plan["reason"] for plan in refused["refused"]}
        self.assertEqual(set(reasons), {tree, paused})
        self.assertIn("action 2: input: not MessagePack", reasons[tree])
        self.assertIn("step_ids names 2 steps, 1 are stored", reasons[paused])
        self.assertFalse(self.target.exists(), "nothing is written before all is known to be fine")
        self.assertEqual(self.state("inspect", "--from", self.ruby, expect=WARNINGS)["plans"], 5)
        moved = self.state("import", "--from", self.ruby, "--to", self.target, "--skip-refused", expect=WARNINGS)
        self.assertEqual(moved["moved"], 3)

    def test_a_source_that_is_in_use_is_refused(self):
        database = self.make("2.0.0", 25)
        database.connection.commit()  # and stays open: we have the file in use
        refused = self.state("import", "--from", self.ruby, "--to", self.target, expect=JOBS_RUN)
        self.assertIn("process", refused["signs_of_life"][0])
        database.add_world("w1", socket.gethostname(), 4194304, time.strftime("%Y-%m-%d %H:%M:%S.000", time.gmtime()))
        database.close()
        refused = self.state("import", "--from", self.ruby, "--to", self.target, expect=JOBS_RUN)
        self.assertIn("world w1 gave a sign of life", refused["signs_of_life"][0])
        self.assertFalse(self.target.exists())

    def test_a_core_of_ours_that_runs_is_refused_on_both_sides(self):
        self.make("2.0.0", 25).close()
        with Foreman() as foreman, SmartProxy(self.folder / "proxy", foreman.url, external_core=False,
                                              dynflow={"database": str(self.target)}):
            self.assertIn("in use by process", self.state("import", "--from", self.ruby, "--to", self.target, expect=ERROR)["error"])
            refused = self.state("export", "--from", self.target, "--to", self.folder / "export.sqlite", expect=JOBS_RUN)
            self.assertIn("smart-proxy", refused["signs_of_life"][0])

    def test_what_a_real_sidecar_left_when_it_was_killed(self):
        """tests/conformance/live_ruby --record has kept its database."""
        kept = json.loads((FIXTURES / "ruby_dynflow/sidecar.json").read_text(encoding="utf-8"))
        with sqlite3.connect(self.ruby) as database:
            database.executescript("\n".join(kept["sql"]))
            tasks = kept["tasks"]
            # It was an hour ahead when this was kept.
            tomorrow = time.strftime("%Y-%m-%d %H:%M:%S.000000", time.gmtime(time.time() + 86400))
            database.execute("UPDATE dynflow_delayed_plans SET start_at = ? WHERE execution_plan_uuid = ?", (tomorrow, tasks["late"]["plan"]))
        database.close()
        refused = self.state("import", "--from", self.ruby, "--to", self.target, expect=ERROR)["refused"]
        self.assertEqual([row["id"] for row in refused], [tasks["secret"]["plan"]])
        self.assertIn("passwords", refused[0]["reason"])
        self.state("import", "--from", self.ruby, "--to", self.target, "--skip-refused", expect=WARNINGS)
        self.assertNotIn(b"geheim", self.target.read_bytes())
        with Foreman() as foreman, self.simulating_proxy(foreman) as proxy:
            for name, result in (("done", "success"), ("failed", "error")):
                shown, wanted = self.shown(proxy, tasks[name]), tasks[name]["document"]
                self.assertEqual((shown["state"], shown["result"]), ("stopped", result))
                for key in ("started_at", "ended_at", "run_flow", "finalize_flow", "execution_history"):
                    self.assertEqual(shown[key], as_array(wanted[key]))
                self.assertEqual(shown["actions"][0]["output"], wanted["actions"][0]["output"])
            self.assertEqual(self.shown(proxy, tasks["paused"])["state"], "paused")
            self.assertEqual(self.shown(proxy, tasks["late"])["state"], "scheduled")
            # Its time came while nobody was there.
            self.assertEqual(foreman.wait_for(1, tasks["soon"]["foreman"], timeout=60)[0].data["exit_status"], 0)
            self.assertEqual(foreman.wait_for(1, tasks["running"]["foreman"], timeout=60)[0].data["exit_status"], "EXCEPTION")
            output = wait_for_task(proxy.http, tasks["running"]["plan"])["actions"][0]["output"]["result"]
            before = tasks["running"]["document"]["actions"][0]["output"]["result"]
            self.assertEqual([chunk["output"] for chunk in output[:len(before)]], [chunk["output"] for chunk in before])

    def simulating_proxy(self, foreman, database=None):
        return SmartProxy(self.folder / "proxy", foreman.url, external_core=False, dynflow={"database": str(database or self.target)},
                          modules={"remote_execution_ssh": {"enabled": True, "ssh_identity_key_file": "none",
                                                            "local_working_dir": str(self.folder), "cockpit_integration": False}},
                          environment={"REX_SIMULATE": "1", "REX_SIMULATE_PATH": "/dev/null"})

    @staticmethod
    def shown(proxy, task):
        return proxy.http.get(f"/dynflow/tasks/{task['plan']}/status").json()

    def test_through_postgresql_and_back(self):
        database = self.make("2.0.0", 25)
        database.add_plan(*running_script(True))
        database.close()
        self.folder.chmod(0o755)
        postgres = Postgres(self.folder / "postgres")
        postgres.start()
        self.addCleanup(postgres.stop)
        url = postgres.url()
        empty = self.state("inspect", "--from", url, expect=ERROR)
        self.assertIn("holds no tables of ours", empty["error"])
        self.assertEqual(self.state("import", "--from", self.ruby, "--to", url, expect=CHANGED)["moved"], 6)
        self.assertEqual(self.state("import", "--from", self.ruby, "--to", url, expect=FINE)["already_there"], 6)
        self.assertEqual(self.state("inspect", "--from", url, expect=FINE)["kind"], "ours, PostgreSQL")
        exported = self.folder / "export.sqlite"
        some = self.state("export", "--from", url, "--to", exported, "--only-running", expect=CHANGED)
        self.assertEqual([some["moved"], some["finished_left_out"]], [2, 4], "the running and the paused one")
        self.assertEqual(self.state("export", "--from", url, "--to", exported, expect=CHANGED)["moved"], 4)
        direct = self.folder / "direct.sqlite"
        self.state("import", "--from", self.ruby, "--to", direct, expect=CHANGED)
        self.assertEqual(self.dump(exported), self.dump(direct), "whichever way they went, the plans are the same")

    def test_a_database_of_others_is_no_target(self):
        self.make("2.0.0", 25).close()
        before = self.ruby.read_bytes()
        alias = self.folder / "alias.sqlite"
        alias.symlink_to(self.ruby)
        for target in (alias, f"{self.folder}/./ruby.sqlite"):
            self.assertIn("source and target are the same", self.state("import", "--from", self.ruby, "--to", target, expect=ERROR)["error"])
        shutil.copy(self.ruby, self.target)
        self.assertIn("is a database of Ruby dynflow", self.state("import", "--from", self.ruby, "--to", self.target, expect=ERROR)["error"])
        self.assertEqual((self.ruby.read_bytes(), self.target.read_bytes()), (before, before))
        self.target.unlink()
        with sqlite3.connect(self.target) as other:
            other.execute("CREATE TABLE hosts (id)")
        other.close()
        self.assertIn("holds other tables than ours", self.state("import", "--from", self.ruby, "--to", self.target, expect=ERROR)["error"])
        self.target.write_bytes(b"")
        self.state("import", "--from", self.ruby, "--to", self.target, expect=CHANGED)

    def test_the_database_of_a_site_below_a_root(self):
        """What its settings name is there, too, and nothing of this machine's."""
        site = self.folder / "site"
        modules = site / "etc/foreman-proxy/settings.d"
        modules.mkdir(parents=True)
        (site / "var/lib/dynflow").mkdir(parents=True)
        (site / "etc/foreman-proxy/settings.yml").write_text("---\n:settings_directory: /etc/foreman-proxy/settings.d\n", encoding="ascii")
        (modules / "dynflow.yml").write_text("---\n:enabled: true\n:database: /var/lib/dynflow/tasks.sqlite\n", encoding="ascii")
        self.make("2.0.0", 25).close()
        root = ("--root", site)
        self.assertEqual(self.state("import", "--from", self.ruby, *root, expect=CHANGED)["moved"], 5)
        self.assertTrue((site / "var/lib/dynflow/tasks.sqlite").exists())
        self.assertEqual(self.state("inspect", *root, expect=FINE)["plans"], 5)
        self.assertEqual(self.state("export", "--to", self.target, *root, expect=CHANGED)["moved"], 5)
        # The unit's environment counts more than the file.
        (site / "etc/default").mkdir()
        (site / "etc/default/foreman-proxy").write_text("DYNFLOW_DB_CONN_STRING=sqlite:///var/lib/dynflow/other.sqlite\n", encoding="ascii")
        self.assertIn(f"{site}/var/lib/dynflow/other.sqlite: no such file", self.state("inspect", *root, expect=ERROR)["error"])
        (modules / "dynflow.yml").write_text("---\n:enabled: true\n:database:\n", encoding="ascii")
        (site / "etc/default/foreman-proxy").unlink()
        self.assertIn("the proxy keeps tasks in memory", self.state("inspect", *root, expect=ERROR)["error"])

    def start_postgres(self):
        self.folder.chmod(0o755)
        postgres = Postgres(self.folder / "postgres")
        postgres.start()
        self.addCleanup(postgres.stop)
        return postgres

    @staticmethod
    def changes(postgres):
        """How many rows were written so far. Who wrote them is counted when he has gone."""
        alone = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        wait_until(lambda: postgres.query(alone) == [["1"]], "the end of all others", 60)
        return postgres.query("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables")

    def check_ruby_in_postgresql(self, release, schema, kind):
        database = self.make(release, schema)
        chunks = [(1, None, "2026-11-22 06:53:36.000001", [{"output_type": "stdout", "output": "hello\n", "timestamp": 1795330416.5}])]
        database.add_plan(*running_script(schema >= 22), chunks if schema >= FIRST_CHUNKS else [])
        database.add_world("dead", "elsewhere.example.com", 1, "2020-01-01 00:00:00.000")
        database.close()
        postgres = self.start_postgres()
        to_postgres(self.ruby, postgres.query, schema)
        url = postgres.url()
        seen = self.state("inspect", "--from", url, expect=FINE)
        self.assertEqual([seen["kind"], seen["plans"], seen["with_secrets"], seen["refused"]], [kind, 6, 1, []])
        before = self.changes(postgres)
        with_it = subprocess.Popen([program("psql"), "--quiet", url], stdin=subprocess.PIPE)
        wait_until(lambda: len(postgres.query("SELECT 1 FROM pg_stat_activity WHERE application_name = 'psql'")) == 2, "a client of the database", 60)
        refused = self.state("import", "--from", url, "--to", self.target, expect=JOBS_RUN)
        self.assertRegex(refused["signs_of_life"][0], r"process \d+ of the server \(psql, from 127\.0\.0\.1\)")
        with_it.communicate(b"\\q\n")
        wait_until(lambda: len(postgres.query("SELECT 1 FROM pg_stat_activity WHERE application_name = 'psql'")) == 1, "its end", 60)
        self.assertEqual(self.state("import", "--from", url, "--to", self.target, expect=CHANGED)["moved"], 6)
        self.assertEqual(self.state("import", "--from", url, "--to", self.target, expect=FINE)["already_there"], 6)
        self.assertEqual(self.changes(postgres), before)
        direct = self.folder / "direct.sqlite"
        self.state("import", "--from", self.ruby, "--to", direct, expect=CHANGED)
        self.assertEqual(self.dump(self.target), self.dump(direct), "as if it had come from SQLite")
        self.assertNotIn(b"geheim", self.target.read_bytes())

    def test_ruby_in_postgresql_with_messagepack(self):
        self.check_ruby_in_postgresql("2.0.0", 25, "Ruby dynflow, schema 25, MessagePack")

    def test_ruby_in_postgresql_with_json(self):
        self.check_ruby_in_postgresql("1.4.8", 20, "Ruby dynflow, schema 20, JSON text")

    def test_callbacks_that_wait_in_postgresql_come_along(self):
        postgres = self.start_postgres()
        url = postgres.url()
        foreman = self.enterContext(Foreman())
        foreman.fail_next(1000, 503)
        task = str(uuid.uuid4())
        with self.simulating_proxy(foreman, url) as proxy:
            entry = {"action_class": "Proxy::RemoteExecution::Ssh::Actions::RunScript", "action_input": {
                "hostname": "host", "script": "true", "callback": {"task_id": task, "step_id": 3}}}
            answer = proxy.http.post("/dynflow/tasks/launch", {"operation": "ssh", "input": {task: entry}, "options": {}})
            self.assertEqual(answer.status, 200, answer.text)
            wait_until(lambda: foreman.received(), "a callback that is refused", 60)
            self.assertIn("world", self.state("export", "--from", url, "--to", self.target, expect=JOBS_RUN)["signs_of_life"][0])
        rows = "SELECT id, attempts, owner, version FROM outbox"
        before = postgres.query(rows)
        self.assertEqual(len(before), 1)
        self.assertEqual(self.state("inspect", "--from", url, expect=FINE)["callbacks"], 1)
        self.assertGreater(self.state("export", "--from", url, "--to", self.target, expect=CHANGED)["moved"], 0)
        self.assertEqual(postgres.query(rows), before, "they are looked at, not taken")
        self.assertEqual(foreman.callbacks(), [])
        foreman.recover()
        with self.simulating_proxy(foreman):
            self.assertEqual(foreman.wait_for(1, task, timeout=60)[0].data["exit_status"], 0)

    def dump(self, path):
        with sqlite3.connect(path) as stored:
            tables = ("plans", "actions", "steps", "chunks")
            number = dict(stored.execute("SELECT number, id FROM plans"))
            rows = []
            for table in tables:
                cursor = stored.execute(f"SELECT * FROM {table}")
                names = [column[0] for column in cursor.description]
                for row in cursor:
                    named = dict(zip(names, row))
                    for key in ("plan", "number"):
                        if key in named:
                            named[key] = number[named[key]]
                    rows.append((table, sorted(named.items(), key=str)))
            return sorted(rows, key=str)

    def test_what_is_no_database_of_tasks_is_refused(self):
        self.assertIn("no such file", self.state("inspect", "--from", self.ruby, expect=ERROR)["error"])
        self.ruby.write_text("not a database, but long enough to be read as one" * 100, encoding="utf-8")
        self.assertIn("not a database", self.state("inspect", "--from", self.ruby, expect=ERROR)["error"])
        self.ruby.unlink()
        RubyDatabase(self.ruby, 14).close()
        self.assertIn("schema 14", self.state("inspect", "--from", self.ruby, expect=ERROR)["error"])
        self.ruby.unlink()
        with sqlite3.connect(self.ruby) as other:
            other.execute("CREATE TABLE hosts (id)")
        self.assertIn("no tables of dynflow", self.state("inspect", "--from", self.ruby, expect=ERROR)["error"])


if __name__ == "__main__":
    unittest.main()
