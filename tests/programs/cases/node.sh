# shellcheck shell=bash disable=SC2034,SC2154
# node: buffers, zlib and crypto on the thread pool, worker threads, JSON.
needs="node"
packages="nodejs"

prepare() {
    cat >work.js <<'END'
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const crypto = require('crypto'), zlib = require('zlib'), { promisify } = require('util');
const rounds = Number(isMainThread ? process.argv[2] : workerData.rounds);

function churn(seed) {
  const kept = new Map();
  for (let n = 0; n < rounds; n++) {
    const buffer = Buffer.allocUnsafeSlow(16 + (n * seed * 7919) % 9000).fill(n % 251);
    kept.set((n * seed) % 997, buffer);
  }
  const hash = crypto.createHash('sha256');
  for (const key of [...kept.keys()].sort((a, b) => a - b)) hash.update(kept.get(key));
  return hash.digest('hex');
}

async function main() {
  const workers = [1, 2, 3, 4].map((seed) => new Promise((done, failed) => {
    const worker = new Worker(__filename, { workerData: { seed, rounds } });
    worker.on('message', done);
    worker.on('error', failed);
  }));
  const text = JSON.stringify(Array.from({ length: rounds }, (_, n) => ({ n, name: 'x'.repeat(n % 60), list: [n, n * 2] })));
  const packed = await Promise.all([1, 3, 6, 9].map((level) => promisify(zlib.deflate)(text, { level })));
  for (const one of packed) {
    const back = (await promisify(zlib.inflate)(one)).toString();
    console.log(one.length, back === text, crypto.createHash('sha256').update(one).digest('hex'));
  }
  const keys = await Promise.all([1, 2, 3, 4].map((n) => promisify(crypto.pbkdf2)('secret', 'salt' + n, 20000, 32, 'sha512')));
  for (const key of keys) console.log(key.toString('hex'));
  console.log(JSON.stringify(JSON.parse(text).slice(-3)));
  for (const result of await Promise.all(workers)) console.log(result);
}

if (isMainThread) main();
else parentPort.postMessage(churn(workerData.seed));
END
}

main() {
    node "$in/work.js" "$(scaled 100000)"
}
