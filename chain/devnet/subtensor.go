package devnet

import (
	"errors"

	"github.com/vision19/vision/chain/devnet/runtime"
	"github.com/vision19/vision/chain/tlock"
)

// rules are subtensor's, as package runtime has them.
type rules struct{ *runtime.Runtime }

func subtensor(spec uint32, shifted bool, b tlock.Beacon) chainRuntime {
	return rules{runtime.New(runtime.Options{SpecVersion: spec, Shifted: shifted, Beacon: b})}
}

func (r rules) Version() version {
	v := r.Runtime.Version()
	own := version{v.SpecName, v.ImplName, v.AuthoringVersion, v.SpecVersion, v.ImplVersion, v.TransactionVersion, uint32(v.StateVersion), nil}
	for _, a := range v.APIs {
		own.APIs = append(own.APIs, api(a))
	}
	return own
}

func (r rules) Genesis(s store, g genesis) error {
	of := runtime.Genesis{Time: g.Time, Netuid: g.Netuid, Owner: g.Owner, CommitReveal: runtime.CommitReveal(g.CommitReveal), Tempo: g.Tempo,
		Rich: g.Rich, Sudo: g.Sudo}
	for _, n := range g.Neurons {
		of.Neurons = append(of.Neurons, runtime.Neuron(n))
	}
	return r.Runtime.Genesis(s, of)
}

func (r rules) Begin(s store, b beginning) { r.Runtime.Begin(s, b.block()) }

func (r rules) Inherents(b beginning) [][]byte { return r.Runtime.Inherents(b.block()) }

func (b beginning) block() runtime.Block {
	of := runtime.Block{Number: b.Number, Parent: b.Parent, Time: b.Time}
	for _, p := range b.Pulses {
		of.Pulses = append(of.Pulses, runtime.Pulse(p))
	}
	return of
}

func (r rules) Validate(s store, head hash, xt []byte) (validity, error) {
	v, err := r.Runtime.Validate(r.Next(s, head), xt)
	return validity{v.Signer, v.Nonce, v.Priority, v.Longevity}, refusal(err)
}

func (r rules) Apply(s store, xt []byte) error { return refusal(r.Runtime.Apply(s, xt)) }

func (r rules) End(s store) { r.Runtime.End(s) }

func (r rules) Call(s store, function string, args []byte) ([]byte, error) {
	return r.Runtime.Call(s, function, args)
}

func refusal(err error) error {
	var bad *runtime.Invalid
	if !errors.As(err, &bad) {
		return err
	}
	kinds := map[runtime.Kind]fault{runtime.InvalidCall: call, runtime.InvalidPayment: payment, runtime.InvalidFuture: future,
		runtime.InvalidStale: stale, runtime.InvalidBadProof: badProof, runtime.InvalidAncient: ancient, runtime.InvalidCustom: custom}
	if kind, ok := kinds[bad.Kind]; ok {
		return &invalid{kind: kind, code: bad.Custom}
	}
	return err
}
