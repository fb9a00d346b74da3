// The peer of `make bench`: decodes metadata, or a metagraph by its metadata, once for each line on stdin, and prints how many seconds that took.
//
//   node decode.mjs METADATA.scale [REPLY.hex]
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Metadata, TypeRegistry } from '@polkadot/types'

const [metadataFile, replyFile] = process.argv.slice(2)
const bytes = new Uint8Array(readFileSync(metadataFile))
let once = () => new Metadata(new TypeRegistry(), bytes)
if (replyFile) {
  const registry = new TypeRegistry()
  const metadata = new Metadata(registry, bytes)
  registry.setMetadata(metadata)
  const api = metadata.asLatest.apis.find(a => a.name.toString() === 'SubnetInfoRuntimeApi')
  const method = api.methods.find(m => m.name.toString() === 'get_selective_mechagraph')
  const type = registry.createLookupType(method.output)
  const reply = Buffer.from(readFileSync(replyFile, 'utf8').trim().replace(/^0x/, ''), 'hex')
  once = () => {
    const v = registry.createType(type, new Uint8Array(reply)).unwrap()
    if (v.hotkeys.unwrap().length !== 1024) throw new Error('not 1024 neurons')
  }
}
createInterface({ input: process.stdin }).on('line', () => {
  const began = process.hrtime.bigint()
  once()
  console.log(Number(process.hrtime.bigint() - began) / 1e9)
})
