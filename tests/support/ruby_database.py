"""SQLite databases as Ruby dynflow leaves them, of both eras: JSON text (schema 15 to 21) and MessagePack (22 to 25)."""

import contextlib
import json
import sqlite3
import struct
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
RECORDED = {"1.4.8": TESTS / "fixtures/ruby_dynflow", "2.0.0": TESTS / "unit/shared/engine/golden"}
FIRST_CHUNKS = 21
FIRST_MSGPACK = 22
FIRST_MSGPACK_CHUNKS = 24


class Timestamp(int):
    """Seconds since the epoch that MessagePack shall hold as Ruby's Time."""


def msgpack(value):
    """What MessagePack needs for our documents: small sizes of everything."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, Timestamp):
        return b"\xd6\x00" + struct.pack(">I", value)
    if isinstance(value, int):
        return struct.pack(">b", value) if -32 <= value < 128 else b"\xd3" + struct.pack(">q", value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, bytes):
        return b"\xc5" + struct.pack(">H", len(value)) + value
    if isinstance(value, str):
        data = value.encode("utf-8")
        return b"\xda" + struct.pack(">H", len(data)) + data
    if isinstance(value, list):
        return b"\xdc" + struct.pack(">H", len(value)) + b"".join(msgpack(item) for item in value)
    return b"\xde" + struct.pack(">H", len(value)) + b"".join(msgpack(key) + msgpack(item) for key, item in value.items())


TABLES = """
CREATE TABLE dynflow_schema_info (version integer DEFAULT (0) NOT NULL);
CREATE TABLE dynflow_execution_plans (uuid char(36) PRIMARY KEY, data {blob}, state varchar(255), result varchar(255),
  started_at timestamp, ended_at timestamp, real_time float, execution_time float, label varchar(255), class varchar(255),
  root_plan_step_id integer, run_flow {blob}, finalize_flow {blob}, execution_history {blob}, step_ids {blob});
CREATE TABLE dynflow_actions (execution_plan_uuid char(36) REFERENCES dynflow_execution_plans, id integer, data {blob},
  caller_execution_plan_id char(36), caller_action_id integer, class varchar(255), input {blob}, output {blob},
  plan_step_id integer, run_step_id integer, finalize_step_id integer, PRIMARY KEY (execution_plan_uuid, id));
CREATE TABLE dynflow_steps (execution_plan_uuid char(36) REFERENCES dynflow_execution_plans, id integer, action_id integer,
  data {blob}, state varchar(255), started_at timestamp, ended_at timestamp, real_time float, execution_time float,
  progress_done float, progress_weight float, class varchar(255), error {blob}, action_class varchar(255), children {blob},
  queue varchar(255), PRIMARY KEY (execution_plan_uuid, id));
CREATE TABLE dynflow_delayed_plans (execution_plan_uuid char(36) REFERENCES dynflow_execution_plans, start_at timestamp,
  start_before timestamp, data {blob}, args_serializer varchar(255), serialized_args {blob}, frozen boolean);
CREATE TABLE dynflow_coordinator_records (id varchar(100), class varchar(100), owner_id varchar(255), data {blob},
  PRIMARY KEY (id, class));
CREATE TABLE dynflow_envelopes (id integer PRIMARY KEY AUTOINCREMENT, receiver_id char(36), data {blob});
"""
CHUNKS = """
CREATE TABLE dynflow_output_chunks (id integer PRIMARY KEY AUTOINCREMENT, execution_plan_uuid char(36)
  REFERENCES dynflow_execution_plans, action_id integer NOT NULL, chunk {blob}, kind varchar(255), timestamp timestamp NOT NULL);
"""


class RubyDatabase:
    """Made at `path`; closed by close()."""

    def __init__(self, path, schema):
        self.schema = schema
        self.connection = sqlite3.connect(path)
        blob = "blob" if schema >= FIRST_MSGPACK else "text"
        self.connection.executescript((TABLES + (CHUNKS if schema >= FIRST_CHUNKS else "")).format(blob=blob))
        self.insert("dynflow_schema_info", version=schema)

    def cell(self, value):
        """A document as this era stores it; nothing for None."""
        if value is None:
            return None
        return msgpack(value) if self.schema >= FIRST_MSGPACK else json.dumps(value)

    def insert(self, table, **row):
        marks = ", ".join("?" * len(row))
        self.connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))

    def add_plan(self, status, steps, chunks=()):
        """A plan from the two documents. `chunks`: (action id, kind, time, chunk)."""
        plan = status["id"]
        self.insert("dynflow_execution_plans", uuid=plan, state=status["state"], result=status["result"],
                    started_at=status["started_at"], ended_at=status["ended_at"], real_time=status["real_time"],
                    execution_time=status["execution_time"], label=status["label"], **{"class": status["class"]},
                    root_plan_step_id=status["root_plan_step_id"], run_flow=self.cell(status["run_flow"]),
                    finalize_flow=self.cell(status["finalize_flow"]),
                    execution_history=self.cell(status["execution_history"]), step_ids=self.cell(status["step_ids"]))
        for action in status["actions"]:
            self.insert("dynflow_actions", execution_plan_uuid=plan, id=action["id"], **{"class": action["class"]},
                        caller_execution_plan_id=action["caller_execution_plan_id"],
                        caller_action_id=action["caller_action_id"], input=self.cell(action["input"]),
                        output=self.cell(action["output"]), plan_step_id=action["plan_step_id"],
                        run_step_id=action["run_step_id"], finalize_step_id=action["finalize_step_id"])
        for step in steps:
            time = {key: step[key] and step[key].replace(" UTC", ".123456") for key in ("started_at", "ended_at")}
            self.insert("dynflow_steps", execution_plan_uuid=plan, id=step["id"], action_id=step["action_id"],
                        state=step["state"], **time, real_time=step["real_time"], execution_time=step["execution_time"],
                        progress_done=step["progress_done"], progress_weight=step["progress_weight"],
                        **{"class": step["class"]}, error=self.cell(step["error"]), action_class=step["action_class"],
                        children=self.cell(step.get("children")), queue=step["queue"])
        for action_id, kind, time, chunk in chunks:
            self.insert("dynflow_output_chunks", execution_plan_uuid=plan, action_id=action_id, kind=kind, timestamp=time,
                        chunk=msgpack(chunk) if self.schema >= FIRST_MSGPACK_CHUNKS else json.dumps(chunk))

    def add_world(self, world_id, hostname, pid, last_seen):
        data = {"class": "Dynflow::Coordinator::ExecutorWorld", "id": world_id, "active": True,
                "meta": {"hostname": hostname, "pid": pid, "last_seen": last_seen}}
        self.insert("dynflow_coordinator_records", id=world_id, **{"class": "Dynflow::Coordinator::ExecutorWorld"},
                    data=self.cell(data))

    def execute(self, sql, *values):
        self.connection.execute(sql, values)

    def close(self):
        self.connection.commit()
        self.connection.close()


def to_postgres(source, query, schema):
    """The tables and rows of a SQLite database of this module in PostgreSQL, as Dynflow of that schema has them there. `query`: runs SQL."""
    tables = (RECORDED["1.4.8"] / "schema-25.postgres.sql").read_text(encoding="utf-8")
    query(tables if schema >= FIRST_MSGPACK else tables.replace(" bytea", " text"))

    def literal(value):
        if value is None:
            return "NULL"
        if isinstance(value, bytes):
            return f"'\\x{value.hex()}'::bytea"
        return str(value) if isinstance(value, (int, float)) else "'" + str(value).replace("'", "''") + "'"

    with contextlib.closing(sqlite3.connect(source)) as database:
        # Plans before what refers to them.
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'dynflow%'")]
        for name in sorted(names, key=lambda name: ("plans" not in name, "actions" not in name)):
            cursor = database.execute(f"SELECT * FROM {name}")
            columns = ", ".join(f'"{column[0]}"' for column in cursor.description)
            for row in cursor:
                query(f'INSERT INTO {name} ({columns}) VALUES ({", ".join(map(literal, row))})')


def recorded(release, name):
    """(status, steps) of a recorded plan."""
    return tuple(json.loads((RECORDED[release] / f"{name}.{kind}.json").read_text(encoding="utf-8"))
                 for kind in ("status", "steps"))
