package chain

import (
	"context"
	"fmt"

	"github.com/vision19/vision/chain/scale"
)

// An Event is what a block's extrinsic, or the block itself, told.
type Event struct {
	Extrinsic int    // its place in the block; -1 for what no extrinsic caused
	Pallet    string // such as SubtensorModule
	Name      string // such as WeightsSet
	Value     any    // its fields: nil, the only one, a scale.Struct, or []any
}

// ran is the state with the runtime that ran its block: the parent's. A block that upgrades the runtime names the new one already, and its events
// are still the old one's.
func (s *State) ran(ctx context.Context) (*State, error) {
	h, err := s.client.header(ctx, s.Hash)
	if err != nil || h.Number == 0 {
		return s, err
	}
	own := *s
	if own.Runtime, err = s.client.runtime(ctx, h.Parent); err != nil {
		return nil, fmt.Errorf("read the runtime that ran block %d: %w", s.Number, err)
	}
	return &own, nil
}

// Events are those of the state's block.
func (s *State) Events(ctx context.Context) ([]Event, error) {
	s, err := s.ran(ctx)
	if err != nil {
		return nil, err
	}
	return s.events(ctx)
}

func (s *State) events(ctx context.Context) ([]Event, error) {
	v, err := s.Get(ctx, "System", "Events")
	if err != nil {
		return nil, err
	}
	var events []Event
	for _, record := range list(v) {
		e := Event{Extrinsic: -1}
		if phase, ok := member(record, "phase").(scale.Choice); ok && phase.Name == "ApplyExtrinsic" {
			if n, ok := phase.Value.(uint64); ok {
				e.Extrinsic = int(n)
			}
		}
		pallet, ok := member(record, "event").(scale.Choice)
		if !ok {
			return nil, fmt.Errorf("block %d holds an event that is no enum: %v", s.Number, record)
		}
		e.Pallet = pallet.Name
		if event, ok := pallet.Value.(scale.Choice); ok {
			e.Name, e.Value = event.Name, event.Value
		}
		events = append(events, e)
	}
	return events, nil
}

// outcome finds, among a block's events, how the extrinsic at that place ended: nil, or a Refusal with the name that the metadata gives.
func (s *State) outcome(events []Event, extrinsic int) error {
	for _, e := range events {
		if e.Extrinsic != extrinsic || e.Pallet != "System" {
			continue
		}
		switch e.Name {
		case "ExtrinsicSuccess":
			return nil
		case "ExtrinsicFailed":
			failure := e.Value
			if of := member(failure, "dispatch_error"); of != nil {
				failure = of
			} else if all := list(failure); len(all) > 0 { // before fields had names
				failure = all[0]
			}
			return s.Runtime.refusal(failure)
		}
	}
	return fmt.Errorf("block %d tells neither success nor failure of extrinsic %d", s.Number, extrinsic)
}

// refusal names a DispatchError: the pallet's own error, or what the runtime calls it.
func (rt *Runtime) refusal(v any) error {
	c, ok := v.(scale.Choice)
	if !ok {
		return &Refusal{Name: fmt.Sprint(v)}
	}
	if c.Name != "Module" {
		name := c.Name
		if inner, ok := c.Value.(scale.Choice); ok {
			name += "." + inner.Name
		}
		return &Refusal{Name: name}
	}
	index, _ := member(c.Value, "index").(uint64)
	var code byte
	switch e := member(c.Value, "error").(type) {
	case uint64:
		code = byte(e)
	case []byte:
		if len(e) > 0 {
			code = e[0]
		}
	}
	pallet, variant, err := rt.Error(byte(index), code)
	if err != nil {
		return &Refusal{Name: fmt.Sprintf("error %d of pallet %d", code, index)}
	}
	return &Refusal{Pallet: pallet.Name, Name: variant.Name, Docs: variant.Docs}
}
