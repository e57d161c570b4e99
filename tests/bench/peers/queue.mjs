// One queue of others doing no-op jobs, added 100 at a time as our launches are: queue.mjs QUEUE COUNT WHERE
//
// QUEUE: plainjob, plainjob-full (WHERE: a file); graphile-worker, graphile-worker-batched, pg-boss (WHERE: postgresql://...). Prints what the
// engine_driver does: "begun", then count, seconds, cpu_seconds of this process, then alone_ms and alone_p99_ms: median and 99th
// percentile of the time from adding one job to a waiting worker to its end. What a queue does once, such as making its tables, is not counted.
import { createRequire } from "node:module";
import path from "node:path";

// The queues are installed in the current folder, not beside this file.
const require = createRequire(path.join(process.cwd(), "package.json"));
const load = (name) => import(require.resolve(name));

const LAUNCH = 100;
const [queue, number, where] = process.argv.slice(2);
const count = Number(number);
const silent = { error() {}, warn() {}, info() {}, debug() {} };

function countdown() {
  let left = count;
  let resolve;
  const done = new Promise((r) => (resolve = r));
  return { done, one: () => --left === 0 && resolve() };
}

const SINGLES = 50;
// Some poll: a job that comes alone waits for the next look. Not all fall on the same moment of it.
const pause = () => new Promise((r) => setTimeout(r, 20 + Math.random() * 50));

// Median and 99th percentile of the time of one job in milliseconds: add() adds it, done(f) has f called at the end of the next one.
async function alone(add, done) {
  const times = [];
  for (let i = 0; i < SINGLES; ++i) {
    await pause();
    const began = process.hrtime.bigint();
    const ended = new Promise((r) => done(r));
    await add();
    await ended;
    times.push(Number(process.hrtime.bigint() - began) / 1e6);
  }
  times.sort((a, b) => a - b);
  return [times[times.length >> 1], times[Math.min(times.length - 1, Math.floor(times.length * 0.99))]];
}

// Each returns run(), which adds all jobs and ends when all were done; then alone(), as above; then stop().
const queues = {
  async plainjob({ full = false } = {}) {
    const { better, defineQueue, defineWorker } = await load("plainjob");
    const Database = require("better-sqlite3");
    const database = new Database(where);
    const jobs = defineQueue({ connection: better(database), logger: silent });
    if (full) database.pragma("synchronous = FULL");
    const all = countdown();
    let told = all.one;
    const worker = defineWorker("noop", async () => {}, { queue: jobs, logger: silent, onCompleted: () => told() });
    return {
      async run() {
        for (let i = 0; i < count; i += LAUNCH) jobs.addMany("noop", Array(LAUNCH).fill({ task: "noop" }));
        worker.start();
        await all.done;
      },
      alone: () => alone(() => jobs.add("noop", { task: "noop" }), (f) => (told = f)),
      stop: () => worker.stop(),
    };
  },
  // As it comes a job is taken by one statement and marked by another; in batches it does what its manual says about speed.
  async "graphile-worker"({ batched = false } = {}) {
    const { makeWorkerUtils, run: start, Logger } = await load("graphile-worker");
    const logger = new Logger(() => () => {});
    const preset = batched ? { worker: { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } } : {};
    const utils = await makeWorkerUtils({ connectionString: where, logger });
    await utils.migrate();
    const all = countdown();
    let runner;
    return {
      async run() {
        const specs = Array(LAUNCH).fill({ identifier: "noop", payload: { task: "noop" } });
        for (let i = 0; i < count; i += LAUNCH) await utils.addJobs(specs);
        runner = await start({ connectionString: where, logger, preset, concurrency: 24, maxPoolSize: 25, noHandleSignals: true,
                               taskList: { noop: async () => {} } });
        runner.events.on("job:complete", all.one);
        await all.done;
        // The last ones are marked after they are reported.
        await utils.withPgClient(async (client) => {
          const left = async () => (await client.query("SELECT FROM graphile_worker.jobs LIMIT 1")).rowCount;
          while ((await left()) > 0) await new Promise((r) => setTimeout(r, 1));
        });
      },
      alone: () => alone(() => utils.addJob("noop", { task: "noop" }), (f) => runner.events.once("job:complete", f)),
      async stop() {
        await runner.stop();
        await utils.release();
      },
    };
  },
  // By fetch() and complete(): its own workers wait at least half a second between two batches.
  async "pg-boss"() {
    const { PgBoss } = await load("pg-boss");
    const boss = new PgBoss({ connectionString: where, supervise: false, schedule: false, useListenNotify: true });
    boss.on("error", (error) => { throw error; });
    await boss.start();
    await boss.createQueue("noop");
    await boss.createQueue("alone", { notify: true });
    return {
      async run() {
        for (let i = 0; i < count; i += LAUNCH) await boss.insert("noop", Array(LAUNCH).fill({ data: { task: "noop" } }));
        let left = count;
        while (left > 0) {
          const jobs = await boss.fetch("noop", { batchSize: LAUNCH });
          await boss.complete("noop", jobs.map((job) => job.id));
          left -= jobs.length;
        }
      },
      async alone() {
        let told;
        await boss.work("alone", async () => void setImmediate(() => told()));
        return alone(() => boss.send("alone", { task: "noop" }), (f) => (told = f));
      },
      stop: () => boss.stop({ graceful: false }),
    };
  },
};
queues["plainjob-full"] = () => queues.plainjob({ full: true });
queues["graphile-worker-batched"] = () => queues["graphile-worker"]({ batched: true });

const { run, alone: measureAlone, stop } = await queues[queue]();
console.log("begun");
const cpu = process.cpuUsage();
const began = process.hrtime.bigint();
await run();
const seconds = Number(process.hrtime.bigint() - began) / 1e9;
const used = process.cpuUsage(cpu);
console.log(JSON.stringify({ count, seconds, cpu_seconds: (used.user + used.system) / 1e6 }));
const [median, p99] = await measureAlone();
const rounded = (ms) => Math.round(ms * 100) / 100;
console.log(JSON.stringify({ alone_ms: rounded(median), alone_p99_ms: rounded(p99) }));
await stop();
process.exit(0);
