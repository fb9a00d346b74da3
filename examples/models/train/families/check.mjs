// Compares ONNX Runtime with PyTorch, graph by graph: node check.mjs FOLDER, where FOLDER is ../work/families after an export.
// It needs onnxruntime-node where node finds it. The answers of float16 graphs are compared with float64's, so more loosely.
import fs from 'node:fs'
import path from 'node:path'
import ort from 'onnxruntime-node'

const graphs = folder => fs.readdirSync(folder, { withFileTypes: true }).flatMap(e => {
  const p = path.join(folder, e.name)
  return e.isDirectory() ? graphs(p) : p.endsWith('.onnx') ? [p] : []
})

// toHalf rounds to float16's bits, to nearest; what is below its normal range becomes 0.
function toHalf(x) {
  const bits = new Uint32Array(new Float32Array([x]).buffer)[0]
  const sign = (bits >>> 16) & 0x8000
  const half = (bits & 0x7fffffff) - (112 << 23)
  return half < 1 << 23 ? sign : sign | ((half + 0xfff + ((half >>> 13) & 1)) >>> 13)
}

function fromHalf(h) {
  const sign = h & 0x8000 ? -1 : 1
  const exponent = (h >> 10) & 31
  return sign * (exponent === 0 ? (h & 1023) * 2 ** -24 : (1 + (h & 1023) / 1024) * 2 ** (exponent - 15))
}

function tensor({ type, shape, data }) {
  switch (type) {
    case 'int64': return new ort.Tensor('int64', BigInt64Array.from(data, BigInt), shape)
    case 'int32': return new ort.Tensor('int32', Int32Array.from(data), shape)
    case 'float64': return new ort.Tensor('float16', Uint16Array.from(data, toHalf), shape)
    default: return new ort.Tensor('float32', Float32Array.from(data), shape)
  }
}

let bad = 0
for (const file of graphs(process.argv[2])) {
  const { inputs, outputs } = JSON.parse(fs.readFileSync(file.replace(/\.onnx$/, '.check.json')))
  const session = await ort.InferenceSession.create(file)
  const got = await session.run(Object.fromEntries(Object.entries(inputs).map(([name, t]) => [name, tensor(t)])))
  let worst = 0
  let largest = 1
  let half = false
  for (const [name, want] of Object.entries(outputs)) {
    if (got[name].dims.join() !== want.shape.join()) throw new Error(`${file}: ${name} is of ${got[name].dims}, want ${want.shape}`)
    half ||= got[name].type === 'float16'
    const values = Array.from(got[name].data, v => got[name].type === 'float16' && got[name].data instanceof Uint16Array ? fromHalf(v) : Number(v))
    want.data.forEach((w, i) => {
      const difference = Math.abs(values[i] - w)
      if (!(difference <= worst)) worst = difference // NaN counts
      largest = Math.max(largest, Math.abs(w))
    })
  }
  const ok = worst <= (half ? 1e-2 : 1e-4) * largest
  if (!ok) bad++
  console.log(ok ? 'ok ' : 'BAD', file, worst.toExponential(1), 'of', largest.toFixed(1))
}
process.exit(bad ? 1 : 0)
