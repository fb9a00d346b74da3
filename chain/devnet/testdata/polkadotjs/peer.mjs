// A second client for the devnet, from the chain's own ecosystem: what this program reads, signs and reads back does not depend on
// our codec, our signatures or our node. It prints one JSON document on stdout; logs of polkadot.js go to stderr.
//
//   node peer.mjs ENDPOINT NETUID HOTKEY [--only-read]
//
// ENDPOINT is ws://host:port, HOTKEY a 0x seed of 32 bytes or a URI such as //Alice. It sets weights for every uid of the subnet.
// Exit codes: 0 the weights read back are those sent (or --only-read), 1 not so, with the reason in "error", 2 wrong usage.
import { writeSync } from 'node:fs'
import { ApiPromise, Keyring, WsProvider } from '@polkadot/api'

const LIMIT_MS = 60_000 // of the whole run: a node with 1 s blocks answers within 10
const MAX_WEIGHT = 65535

const options = process.argv.slice(2).filter(a => a.startsWith('--'))
const [endpoint, netuidText, hotkey, ...rest] = process.argv.slice(2).filter(a => !a.startsWith('--'))
const netuid = Number(netuidText)
if (!/^wss?:\/\//.test(endpoint ?? '') || !Number.isInteger(netuid) || netuid < 0 || netuid > 65535 || !hotkey || rest.length || options.some(o => o !== '--only-read')) {
  console.error('usage: node peer.mjs ws://HOST:PORT NETUID 0xSEED|//URI [--only-read]')
  process.exit(2)
}

const report = { endpoint, netuid }
setTimeout(() => finish(`nothing after ${LIMIT_MS / 1000} s`), LIMIT_MS)
process.on('uncaughtException', e => finish(e.message || String(e))) // polkadot.js throws some errors where nobody can catch them
try {
  finish(await run())
} catch (e) {
  finish(e.message || String(e))
}

// finish prints the report and ends the process; an error is a text, undefined if all went well.
function finish(error) {
  if (error) report.error = error
  writeSync(1, JSON.stringify(report, null, 2) + '\n')
  process.exit(error ? 1 : 0)
}

// run fills the report and returns what went wrong.
async function run() {
  const api = await ApiPromise.create({ provider: new WsProvider(endpoint), throwOnConnect: true, noInitWarn: true })
  const pair = new Keyring({ type: 'sr25519' }).addFromUri(hotkey)
  const head = await api.rpc.chain.getHeader()
  const now = await api.at(head.hash)
  Object.assign(report, {
    chain: api.runtimeChain.toString(),
    genesis: api.genesisHash.toHex(),
    specVersion: api.runtimeVersion.specVersion.toNumber(),
    metadataVersion: api.runtimeMetadata.version,
    signedExtensions: api.registry.signedExtensions,
    runtimeAPIs: Object.keys(api.call),
    block: head.number.toNumber(),
    hotkey: pair.address,
    neurons: await neurons(now),
    hyperparameters: await hyperparameters(now),
  })
  const uid = report.neurons.find(n => n.hotkey === pair.address)?.uid
  if (options.length) return
  if (uid === undefined) return `${pair.address} is not registered on subnet ${netuid}`

  const uids = report.neurons.map(n => n.uid)
  const sent = uids.map((u, i) => [u, Math.round(MAX_WEIGHT * (i + 1) / uids.length)]) // the largest is the maximum, so the chain scales nothing
  const call = api.tx.subtensorModule.setWeights(netuid, uids, sent.map(w => w[1]), report.hyperparameters.weightsVersionKey ?? 0)
  const result = await included(call, pair)
  report.extrinsic = { hash: result.txHash.toHex(), call: call.method.toHex(), blockHash: result.status.asInBlock.toHex(), block: result.blockNumber.toNumber(), index: result.txIndex }
  report.events = result.events.map(({ event }) => `${event.section}.${event.method}`)
  if (result.dispatchError) return errorName(api, result.dispatchError)

  const then = await api.at(result.status.asInBlock)
  const read = (await then.query.subtensorModule.weights(netuid, uid)).toJSON()
  const lastUpdate = (await then.query.subtensorModule.lastUpdate(netuid)).toJSON()[uid]
  report.weights = { uid, sent, read, lastUpdate }
  if (JSON.stringify(read) !== JSON.stringify(sent)) return 'the weights read back are not those sent'
  // Equal weights may be from an earlier run: the block of the last update says that these are ours.
  if (lastUpdate !== report.extrinsic.block) return `the last update is of block ${lastUpdate}, the extrinsic was in ${report.extrinsic.block}`
}

// neurons lists the subnet's hotkeys by uid.
async function neurons(at) {
  const entries = await at.query.subtensorModule.keys.entries(netuid)
  return entries.map(([key, account]) => ({ uid: key.args[1].toNumber(), hotkey: account.toString() })).sort((a, b) => a.uid - b.uid)
}

// hyperparameters reads those that a setter of weights needs; what the runtime does not have is null.
async function hyperparameters(at) {
  const names = ['weightsVersionKey', 'minAllowedWeights', 'weightsSetRateLimit', 'commitRevealWeightsEnabled', 'revealPeriodEpochs', 'tempo']
  const query = at.query.subtensorModule
  const values = await Promise.all(names.map(async n => query[n] ? (await query[n](netuid)).toJSON() : null))
  return Object.fromEntries(names.map((n, i) => [n, values[i]]))
}

// included signs and submits the call, mortal, and resolves once it is in a block. A refusal by the pool rejects with the node's text.
function included(call, pair) {
  return new Promise((resolve, reject) => {
    call.signAndSend(pair, result => {
      if (result.status.isInBlock) resolve(result)
      else if (result.isError) reject(new Error(`the transaction is ${result.status.type}`))
    }).catch(reject)
  })
}

// errorName is Module.Name as the metadata has it.
function errorName(api, error) {
  if (!error.isModule) return error.toString()
  const { section, name } = api.registry.findMetaError(error.asModule)
  return `${section}.${name}`
}
