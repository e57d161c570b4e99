// One queue of others doing no-op jobs, added 100 at a time as our launches are: queue.mjs QUEUE COUNT WHERE
//
// QUEUE: plainjob, plainjob-full; WHERE: a file. Prints one JSON object as the engine_driver does: count, seconds, cpu_seconds of this
// process.
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

// Each returns run(), which adds all jobs and ends when all were done, and stop().
const queues = {
  async plainjob({ full = false } = {}) {
    const { better, defineQueue, defineWorker } = await load("plainjob");
    const Database = require("better-sqlite3");
    const database = new Database(where);
    const jobs = defineQueue({ connection: better(database), logger: silent });
    if (full) database.pragma("synchronous = FULL");
    const all = countdown();
    const worker = defineWorker("noop", async () => {}, { queue: jobs, logger: silent, onCompleted: all.one });
    return {
      async run() {
        for (let i = 0; i < count; i += LAUNCH) jobs.addMany("noop", Array(LAUNCH).fill({ task: "noop" }));
        worker.start();
        await all.done;
      },
      stop: () => worker.stop(),
    };
  },
};
queues["plainjob-full"] = () => queues.plainjob({ full: true });

const { run, stop } = await queues[queue]();
const cpu = process.cpuUsage();
const began = process.hrtime.bigint();
await run();
const seconds = Number(process.hrtime.bigint() - began) / 1e9;
const used = process.cpuUsage(cpu);
console.log(JSON.stringify({ count, seconds, cpu_seconds: (used.user + used.system) / 1e6 }));
await stop();
process.exit(0);
