// Replays the session runs of one image with onnxruntime-node: reads the recording that is named on the command line, then for every line
// on stdin, a number, runs it so many times and prints the milliseconds.
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import ort from 'onnxruntime-node'

const arrays = { float32: Float32Array, int64: BigInt64Array, int32: Int32Array, bool: Uint8Array }
const runs = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const options = { executionProviders: ['cpu'], intraOpNumThreads: 1, interOpNumThreads: 1, graphOptimizationLevel: 'all' }
const sessions = {}
for (const run of runs) {
  sessions[run.file] ??= await ort.InferenceSession.create(run.file, options)
  run.data = {}
  for (const [name, { type, shape }] of Object.entries(run.inputs)) {
    run.data[name] = new arrays[type](shape.reduce((a, b) => a * b, 1))
  }
}
console.log('ready')
for await (const times of createInterface({ input: process.stdin })) {
  const began = performance.now()
  for (let i = 0; i < times; i++) {
    for (const run of runs) {
      const feeds = {}
      for (const [name, { type, shape }] of Object.entries(run.inputs)) {
        feeds[name] = new ort.Tensor(type, run.data[name], shape)
      }
      await sessions[run.file].run(feeds)
    }
  }
  console.log(performance.now() - began)
}
