package runtime

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vision19/vision/chain/scale"
	"github.com/vision19/vision/chain/tlock"
	"github.com/vision19/vision/chain/wallet"
)

// memory is a store in a map.
type memory map[string][]byte

func (m memory) Get(key []byte) []byte { return m[string(key)] }
func (m memory) Put(key, value []byte) { m[string(key)] = value }
func (m memory) Delete(key []byte)     { delete(m, string(key)) }
func (m memory) Keys(prefix, after []byte, limit int) [][]byte {
	var keys [][]byte
	for k := range m {
		if strings.HasPrefix(k, string(prefix)) && k > string(after) {
			keys = append(keys, []byte(k))
		}
	}
	slices.SortFunc(keys, bytes.Compare)
	if limit > 0 && len(keys) > limit {
		keys = keys[:limit]
	}
	return keys
}

const testNetuid = 1

// chain is a runtime with blocks that follow one another.
type chain struct {
	*testing.T
	*Runtime
	store  memory
	number uint32
	signer *tlock.Signer
	keys   []wallet.Keypair // hotkeys by uid
	alice  wallet.Keypair
}

// keys are derived once: it takes milliseconds each.
var keys sync.Map

func key(t testing.TB, uri string) wallet.Keypair {
	t.Helper()
	if k, ok := keys.Load(uri); ok {
		return k.(wallet.Keypair)
	}
	k, err := wallet.FromURI(uri)
	if err != nil {
		t.Fatal(err)
	}
	keys.Store(uri, k)
	return k
}

// shared are what all chains have in common.
var shared = sync.OnceValues(func() (*tlock.Signer, *Runtime) {
	signer, err := tlock.NewSigner(bytes.Repeat([]byte{7}, 32), 1_600_000_000, 3)
	if err != nil {
		panic(err)
	}
	return signer, New(Spec, signer.Beacon())
})

// begin makes a chain of five neurons, of which 0 to 2 have stake and permits, at block 1.
func begin(t *testing.T, change func(*Genesis)) *chain {
	t.Helper()
	signer, rules := shared()
	c := &chain{T: t, Runtime: rules, store: memory{}, signer: signer, alice: key(t, "//Alice")}
	g := Genesis{Time: time.Unix(1_600_000_000, 0), Netuid: testNetuid, Tempo: 5, RateLimit: 3, Sudo: c.alice.Public(),
		Rich: map[[32]byte]uint64{c.alice.Public(): 1e15, key(t, "//Bob").Public(): 1e12}}
	for i := range 5 {
		hot := key(t, fmt.Sprintf("//hot%d", i))
		c.keys = append(c.keys, hot)
		n := Neuron{Hotkey: hot.Public(), Coldkey: key(t, fmt.Sprintf("//cold%d", i)).Public()}
		if i < 3 {
			n.Stake = uint64(3-i) * 1e12
		}
		g.Neurons = append(g.Neurons, n)
	}
	if change != nil {
		change(&g)
	}
	if err := c.Genesis(c.store, g); err != nil {
		t.Fatal(err)
	}
	c.next()
	return c
}

// hash stands for a block's.
func hash(number uint32) [32]byte {
	return [32]byte(scale.Blake2_256(binary.LittleEndian.AppendUint32(nil, number)))
}

func (c *chain) next() {
	if c.number > 0 {
		c.End(c.store)
	}
	c.number++
	at := time.Unix(1_600_000_000+int64(c.number)*12, 0)
	var pulses []Pulse
	beacon := c.signer.Beacon()
	for round := c.state().number("Drand.LastStoredRound") + 1; round <= beacon.Round(at); round++ {
		sig, err := c.signer.Sign(round)
		if err != nil {
			c.Fatal(err)
		}
		pulses = append(pulses, Pulse{round, sig})
	}
	b := Block{Number: c.number, Parent: hash(c.number - 1), Time: at, Pulses: pulses}
	c.Begin(c.store, b)
	for _, xt := range c.Inherents(b) {
		if err := c.Apply(c.store, xt); err != nil {
			c.Fatal(err)
		}
	}
}

// epoch goes on until an epoch has run.
func (c *chain) epoch() {
	for c.next(); !c.emitted("IncentiveAlphaEmittedToMiners"); {
		c.next()
	}
}

func (c *chain) state() state { return state{c.Runtime, c.store} }

func (c *chain) call(pallet, name string, pairs ...any) []byte {
	c.Helper()
	var v any
	if len(pairs) > 0 {
		v = fields(pairs...)
	}
	b, err := c.meta.Encode(nil, c.Runtime.call, scale.Choice{Name: pallet, Value: scale.Choice{Name: name, Value: v}})
	if err != nil {
		c.Fatal(err)
	}
	return b
}

// options of sign: what differs from the ordinary.
type signing struct {
	nonce   *uint32
	era     []byte // nil: immortal
	birth   uint32
	spec    uint32
	genesis [32]byte
}

func (c *chain) sign(who wallet.Keypair, call []byte, change func(*signing)) []byte {
	public := who.Public()
	n := c.state().account(public[:]).nonce
	o := signing{nonce: &n, spec: 425, genesis: hash(0)}
	if change != nil {
		change(&o)
	}
	era := o.era
	if era == nil {
		era = []byte{0}
	}
	extra := append(scale.AppendCompact(slices.Clone(era), uint64(*o.nonce)), 0, 0) // tip, mode
	birth := hash(o.birth)
	if o.era == nil {
		birth = o.genesis
	}
	p := bytes.Join([][]byte{call, extra, binary.LittleEndian.AppendUint32(nil, o.spec), {1, 0, 0, 0}, o.genesis[:], birth[:], {0}}, nil)
	if len(p) > 256 {
		p = scale.Blake2_256(p)
	}
	sig := who.Sign(p)
	return scale.AppendBlob(nil, bytes.Join([][]byte{{0x84, 0}, public[:], {1}, sig[:], extra, call}, nil))
}

// submit applies a call and says how it went: "" for success, an error's name, or Custom(n) and the like.
func (c *chain) submit(who wallet.Keypair, call []byte) string {
	c.Helper()
	err := c.Apply(c.store, c.sign(who, call, nil))
	var bad *Invalid
	if errors.As(err, &bad) {
		if bad.Kind == InvalidCustom {
			return fmt.Sprintf("Custom(%d)", bad.Custom)
		}
		return bad.Kind.String()
	}
	if err != nil {
		c.Fatal(err)
	}
	return c.outcome()
}

// outcome is the error of the last extrinsic.
func (c *chain) outcome() string {
	last := ""
	for _, e := range c.events() {
		if e.Name != "System" {
			continue
		}
		inner := e.Value.(scale.Choice)
		last = ""
		if inner.Name == "ExtrinsicFailed" {
			d := inner.Value.(scale.Struct).Get("dispatch_error").(scale.Choice)
			last = d.Name
			if m, ok := d.Value.(scale.Struct); ok {
				_, v, err := c.meta.Error(byte(m.Get("index").(uint64)), m.Get("error").([]byte)[0])
				if err != nil {
					c.Fatal(err)
				}
				last = v.Name
			}
		}
	}
	return last
}

func (c *chain) events() []scale.Choice {
	var out []scale.Choice
	all, _ := c.state().get("System.Events").([]any)
	for _, e := range all {
		out = append(out, e.(scale.Struct).Get("event").(scale.Choice))
	}
	return out
}

func (c *chain) emitted(name string) bool {
	return slices.ContainsFunc(c.events(), func(e scale.Choice) bool { return e.Value.(scale.Choice).Name == name })
}

func (c *chain) weights(netuid int, uids, values []uint16, version int) []byte {
	return c.call("SubtensorModule", "set_weights", "netuid", netuid, "dests", uids, "weights", values, "version_key", version)
}

func (c *chain) row(uid int) string { return fmt.Sprint(c.state().get("Weights", testNetuid, uid)) }

// failed are the items of a batch that failed, as NETUID ERROR.
func (c *chain) failed() (all []string) {
	for _, e := range c.events() {
		if v := e.Value.(scale.Choice); v.Name == "BatchWeightItemFailed" {
			item := v.Value.([]any)
			m := item[1].(scale.Choice).Value.(scale.Struct)
			_, err, _ := c.meta.Error(byte(m.Get("index").(uint64)), m.Get("error").([]byte)[0])
			all = append(all, fmt.Sprint(item[0], " ", err.Name))
		}
	}
	return all
}
